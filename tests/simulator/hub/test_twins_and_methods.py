"""Twins and direct methods, from the cloud's end to the SDK in the module and back."""

import asyncio
import json

import pytest
from azure.iot.device import MethodResponse
from azure.iot.device.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from simulator.cloud.twin import Twin, TwinError, difference, merged
from simulator.errors import MethodError
from simulator.message import parse_properties
from simulator.mqtt import packets
from simulator.runtime import Runtime
from tests.simulator.conftest import bare, device_client, manifest, module, module_client, running, shared, soon

CLIENT = "edge-device/a"


async def desired_patches(client):
    """Let a client receive patches of its desired properties; they come on the queue that is returned."""
    loop = asyncio.get_running_loop()
    patches = asyncio.Queue()

    def handler(patch):
        loop.call_soon_threadsafe(patches.put_nowait, patch)

    await asyncio.to_thread(setattr, client, "on_twin_desired_properties_patch_received", handler)
    return patches


async def answer_methods(client):
    """Let a client answer every method with 200 and what it was sent."""

    async def answer(request):
        payload = {"name": request.name, "payload": request.payload}
        await client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))

    await asyncio.to_thread(setattr, client, "on_method_request_received", answer)


async def test_the_manifests_desired_properties_are_in_the_twin_of_the_module(tmp_path):
    modules = {name: module(["sleep", "600"]) for name in "ab"}
    twins = {"a": {"rate": 1, "deep": {"x": [1, 2]}}, "b": {"rate": 2}}
    async with Runtime(manifest({}, modules, twins), tmp_path, start_modules=False) as runtime:
        async with module_client(runtime, "a") as a, module_client(runtime, "b") as b:
            assert (await soon(a.get_twin()))["desired"] == {"rate": 1, "deep": {"x": [1, 2]}, "$version": 2}
            assert (await soon(b.get_twin()))["desired"]["rate"] == 2
        runtime.upstream.set_desired(CLIENT, {"rate": 7})
    # The next deployment sets it again, and only if it differs.
    async with Runtime(manifest({}, modules, twins), tmp_path, start_modules=False) as runtime:
        assert runtime.upstream.twin(CLIENT).desired == twins["a"]
        version = runtime.upstream.twin(CLIENT).desired_version
    async with Runtime(manifest({}, modules, twins), tmp_path, start_modules=False) as runtime:
        assert runtime.upstream.twin(CLIENT).desired_version == version


async def test_reported_patches_merge_and_null_removes(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        await soon(client.patch_twin_reported_properties({"x": {"y": 1, "z": 2}, "gone": 1}))
        await soon(client.patch_twin_reported_properties({"x": {"y": 3}, "gone": None}))
        twin = await soon(client.get_twin())
        assert twin["reported"] == {"x": {"y": 3, "z": 2}, "$version": 3}
        assert runtime.upstream.twin(CLIENT).reported == {"x": {"y": 3, "z": 2}}


async def test_a_patch_of_desired_properties_comes_with_its_version_and_null_for_what_is_removed(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        patches = await desired_patches(client)
        first = runtime.upstream.set_desired(CLIENT, {"rate": 3, "old": 1})
        assert await soon(patches.get()) == {"rate": 3, "old": 1, "$version": first}
        second = runtime.upstream.replace_desired(CLIENT, {"rate": 4})
        assert await soon(patches.get()) == {"rate": 4, "old": None, "$version": second}
        assert (await soon(client.get_twin()))["desired"] == {"rate": 4, "$version": second}


async def test_a_patch_that_a_module_missed_is_not_sent_again_but_in_the_twin(tmp_path):
    # The SDK reads the twin itself when it is back, and tells what it missed; so a client that does not.
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as client:
        await client.subscribe("$iothub/twin/PATCH/properties/desired/#")
        runtime.faults.kick("a")
        runtime.upstream.set_desired(CLIENT, {"missed": 1})
        await client.connect()
        version = runtime.upstream.set_desired(CLIENT, {"seen": 1})
        packet = await soon(client.read_publish())
        assert json.loads(packet.body) == {"seen": 1, "$version": version}
        assert runtime.upstream.twin(CLIENT).document()["desired"]["missed"] == 1


async def test_the_sdk_learns_what_it_missed_when_it_is_back(tmp_path):
    async with (
        running(manifest({}), tmp_path, "a") as runtime,
        module_client(runtime, "a", connection_retry_interval=1) as client,
    ):
        patches = await desired_patches(client)
        # Only this subscribes to answers, of which the SDK asks for one when it is back.
        await soon(client.get_twin())
        runtime.faults.kick("a")
        version = runtime.upstream.set_desired(CLIENT, {"missed": 1})
        assert await soon(patches.get()) == {"missed": 1, "$version": version}
        assert (await soon(client.get_twin()))["desired"]["missed"] == 1


async def test_twins_outlive_the_runtime(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        await soon(client.patch_twin_reported_properties({"kept": True}))
        runtime.upstream.set_desired(CLIENT, {"also": 1})
    async with running(manifest({}), tmp_path) as runtime, module_client(runtime, "a") as client:
        twin = await soon(client.get_twin())
        assert twin["reported"]["kept"] is True
        assert twin["desired"]["also"] == 1


@pytest.mark.parametrize(
    "patch",
    [
        {"long": "x" * 4097},
        {f"key{number}": "x" * 4000 for number in range(9)},
        {"with.dot": 1},
        {"with blank": 1},
        {"$dollar": 1},
        {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}}},
    ],
)
async def test_what_iot_hub_would_not_take_into_a_twin_is_refused_and_changes_nothing(patch, tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        with pytest.raises(ClientError) as caught:
            await soon(client.patch_twin_reported_properties(patch))
        assert "400" in str(caught.value.__cause__)
        twin = await soon(client.get_twin())
        assert twin["reported"] == {"$version": 1}


async def test_a_value_of_exactly_the_limit_is_taken(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        await soon(client.patch_twin_reported_properties({"long": "x" * 4096}))
        assert len(runtime.upstream.twin(CLIENT).reported["long"]) == 4096


async def test_two_modules_that_ask_for_their_twins_at_once_each_get_their_own(tmp_path):
    async with running(manifest({}), tmp_path, "a", "b") as runtime:
        runtime.upstream.set_desired("edge-device/a", {"name": "a"})
        runtime.upstream.set_desired("edge-device/b", {"name": "b"})
        async with module_client(runtime, "a") as a, module_client(runtime, "b") as b:
            twins = await soon(asyncio.gather(*(client.get_twin() for client in [a, b] * 10)))
    assert [twin["desired"]["name"] for twin in twins] == ["a", "b"] * 10


async def test_while_the_cloud_is_out_of_reach_a_module_sees_its_twin_as_it_was_and_the_change_comes_later(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        patches = await desired_patches(client)
        version = runtime.upstream.set_desired(CLIENT, {"rate": 1, "old": 1})
        await soon(patches.get())
        runtime.faults.offline()
        runtime.upstream.set_desired(CLIENT, {"rate": 2, "old": None})
        assert (await soon(client.get_twin()))["desired"] == {"rate": 1, "old": 1, "$version": version}
        await soon(client.patch_twin_reported_properties({"reported": "offline"}))
        assert (await soon(client.get_twin()))["reported"]["reported"] == "offline"
        assert runtime.upstream.twin(CLIENT).reported == {}
        runtime.faults.online()
        assert await soon(patches.get()) == {"rate": 2, "old": None, "$version": version + 1}
        assert runtime.upstream.twin(CLIENT).reported == {"reported": "offline"}


async def test_what_went_from_within_comes_as_null_after_an_outage_and_with_a_redeployment(tmp_path):
    before = {"deep": {"kept": 1, "gone": {"x": 1}, "list": [1, {"y": 2}]}, "same": {"a": 1}, "old": 1}
    after = {"deep": {"kept": 1, "list": [1]}, "same": {"a": 1}, "new": {"whole": {"b": 2}}}
    wanted = {"deep": {"gone": None, "list": [1]}, "old": None, "new": {"whole": {"b": 2}}}
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        patches = await desired_patches(client)
        runtime.upstream.replace_desired(CLIENT, before)
        await soon(patches.get())
        runtime.faults.offline()
        runtime.upstream.replace_desired(CLIENT, after)
        assert patches.empty()
        runtime.faults.online()
        patch = await soon(patches.get())
        assert {name: value for name, value in patch.items() if name != "$version"} == wanted
        runtime.upstream.replace_desired(CLIENT, before)
        await soon(patches.get())
        runtime.upstream.replace_desired(CLIENT, after)
        patch = await soon(patches.get())
        assert {name: value for name, value in patch.items() if name != "$version"} == wanted


PROPERTIES = st.recursive(
    st.integers(-9, 9) | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), PROPERTIES), st.dictionaries(st.sampled_from("abc"), PROPERTIES))
def test_a_difference_laid_over_what_was_makes_what_is(before, after):
    assert merged(before, difference(before, after)) == after


def test_the_real_hubs_makers_own_reports_come_out_alike():
    for case in json.loads(shared("edgehub", "twins.json").read_text())["reported"]:
        try:
            Twin().report(case["reported"])
            valid = True
        except TwinError:
            valid = False
        assert valid is case["valid"], case["name"]


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"o#k": 1}, "holds a # or has more than 1024 bytes"),
        ({"x" * 1025: 1}, "holds a # or has more than 1024 bytes"),
        ({"a$b": 1}, "a control character or"),
        ({"whole": 2**52}, "from -2\\^52 to 2\\^52 - 1"),
        ({"list": [1, None]}, "a list in 'list' holds a null"),
        ({"list": [{"x": None}]}, "a list in 'x' holds a null"),
    ],
)
def test_what_edge_hub_would_not_take_as_reported_is_refused(patch, told):
    twin = Twin()
    with pytest.raises(TwinError, match=told):
        twin.report(patch)
    assert (twin.reported, twin.reported_version) == ({}, 1)


@pytest.mark.parametrize("request_id", ["%2B1", "a%26b", "", "caf%C3%A9"])
async def test_the_id_of_a_request_comes_back_as_it_went(request_id, tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await a.subscribe("$iothub/twin/res/#")
        a.write(packets.encode_publish(f"$iothub/twin/GET/?$rid={request_id}", b"", 1))
        assert (await soon(a.read_publish())).topic == f"$iothub/twin/res/200/?$rid={request_id}"
        a.write(packets.encode_publish(f"$iothub/twin/PATCH/properties/reported/?$rid={request_id}", b"{}", 2))
        assert (await soon(a.read_publish())).topic == f"$iothub/twin/res/204/?$rid={request_id}&$version=2"


async def test_reports_of_any_client_are_messages_that_routes_can_take(tmp_path):
    routes = {
        "up": "FROM /twinChangeNotifications WHERE $rpSenderModuleId = 'a' INTO $upstream",
        "b": 'FROM /* WHERE $messageType = "twinChangeNotification" INTO BrokeredEndpoint("/modules/b/inputs/twins")',
        "none": "FROM /messages/* INTO $upstream",
    }
    async with running(manifest(routes), tmp_path, "a", "b") as runtime, bare(runtime, "b") as b:
        await b.subscribe()
        leaf = runtime.add_device("Client_001")
        async with device_client(runtime, leaf) as device:
            await soon(device.patch_twin_reported_properties({"speed": 1}))
        got = await soon(b.read_publish())
        b.acknowledge(got)
        bag = parse_properties(got.topic.rpartition("/")[2])
        # It is the edge hub that sends it.
        assert bag == {"$.schema": "twinChangeNotification", "$.cdid": "edge-device", "$.cmid": "$edgeHub"}
        assert json.loads(got.body) == {"speed": 1}
        async with module_client(runtime, "a") as a:
            await soon(a.patch_twin_reported_properties({"rate": 2}))
            with pytest.raises(ClientError):
                await soon(a.patch_twin_reported_properties({"refused": "x" * 5000}))
        (message,) = await soon(runtime.upstream.wait_for(1))
        assert (message.device, message.module, message.body) == ("edge-device", "$edgeHub", b'{"rate": 2}')
        assert message.system["iothub-message-schema"] == "twinChangeNotification"
        assert json.loads((await soon(b.read_publish())).body) == {"rate": 2}
        assert runtime.hub.unrouted == 0


async def test_a_sender_cannot_pass_a_message_off_as_a_report(tmp_path):
    routes = {"forged": "FROM /twinChangeNotifications INTO $upstream"}
    async with running(manifest(routes), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await soon(a.send(b"x", bag="messageType=twinChangeNotification&%24.schema=twinChangeNotification"))
        assert runtime.hub.unrouted == 1


async def test_a_method_is_called_and_answered(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as client:
        await answer_methods(client)
        result = await soon(runtime.hub.invoke("a", "do it/now", {"x": [1, None, "é"]}))
        assert result == (200, {"name": "do it/now", "payload": {"x": [1, None, "é"]}})
        results = await soon(asyncio.gather(*(runtime.hub.invoke("a", "m", number) for number in range(20))))
        assert [each.payload["payload"] for each in results] == list(range(20))


async def test_a_method_of_a_module_that_is_away_fails_with_iot_hubs_error(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime:
        with pytest.raises(MethodError, match="edge-device/a is not connected") as caught:
            await soon(runtime.hub.invoke("a", "m", None))
        assert (caught.value.status, caught.value.code) == (404, 404103)


async def test_a_method_waits_for_a_module_that_is_to_connect(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime:
        call = asyncio.create_task(runtime.hub.invoke("a", "m", 1, connect_within=20))
        async with module_client(runtime, "a") as client:
            await answer_methods(client)
            assert (await soon(call)).status == 200


async def test_a_method_that_is_not_answered_fails_with_iot_hubs_error(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as client:
        await client.subscribe("$iothub/methods/POST/#")
        with pytest.raises(MethodError, match="has not answered m within") as caught:
            await soon(runtime.hub.invoke("a", "m", None, answer_within=0.05))
        assert (caught.value.status, caught.value.code) == (504, 504101)
        request = await soon(client.read_publish())
        assert request.topic.startswith("$iothub/methods/POST/m/?$rid=")


async def test_a_payload_beyond_128_kb_is_refused(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime:
        with pytest.raises(MethodError, match="131072 bytes"):
            await runtime.hub.invoke("a", "m", "x" * 131_072)


async def test_a_module_calls_a_method_of_another_over_https(tmp_path):
    async with running(manifest({}), tmp_path, "a", "b") as runtime:
        if not runtime.methods.available:
            pytest.skip(f"port 443 of {runtime.address} cannot be listened on by this user")
        async with module_client(runtime, "a") as a, module_client(runtime, "b") as b:
            await answer_methods(b)
            parameters = {
                "methodName": "hello",
                "payload": {"from": "a"},
                "responseTimeoutInSeconds": 10,
                "connectTimeoutInSeconds": 5,
            }
            result = await soon(a.invoke_method(parameters, "edge-device", "b"))
            assert result == {"status": 200, "payload": {"name": "hello", "payload": {"from": "a"}}}
            with pytest.raises(ClientError) as caught:
                await soon(a.invoke_method(parameters, "edge-device", "nobody"))
            assert "404" in str(caught.value.__cause__)


async def test_a_method_call_over_https_needs_a_token(tmp_path):
    import aiohttp

    async with running(manifest({}), tmp_path, "a", "b") as runtime:
        if not runtime.methods.available:
            pytest.skip(f"port 443 of {runtime.address} cannot be listened on by this user")
        url = f"https://{runtime.address}/twins/edge-device/modules/b/methods"
        headers = {"x-ms-edge-moduleId": "edge-device/a", "Authorization": "SharedAccessSignature sr=a&sig=b&se=9"}
        async with aiohttp.ClientSession() as session:
            body = json.dumps({"methodName": "m", "payload": None})
            response = await session.post(url, data=body, headers=headers, ssl=False)
            assert response.status == 401


async def test_nobody_answers_a_method_for_another(tmp_path):
    async with (
        running(manifest({}), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await a.subscribe("$iothub/methods/POST/#")
        call = asyncio.create_task(runtime.hub.invoke("a", "m", None))
        request = parse_properties((await soon(a.read_publish())).topic.rpartition("/")[2])["$rid"]
        for client, payload in ((b, b'"false"'), (a, b'"true"')):
            client.write(packets.encode_publish(f"$iothub/methods/res/200/?$rid={request}", payload, client.next_id()))
            assert isinstance(await soon(client.read()), packets.Puback)
        assert await soon(call) == (200, "true")


async def test_an_answer_that_is_no_json_fails_the_call(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await a.subscribe("$iothub/methods/POST/#")
        call = asyncio.create_task(runtime.hub.invoke("a", "m", None))
        request = parse_properties((await soon(a.read_publish())).topic.rpartition("/")[2])["$rid"]
        a.write(packets.encode_publish(f"$iothub/methods/res/200/?$rid={request}", b"{", a.next_id()))
        with pytest.raises(MethodError, match="the answer is not JSON"):
            await soon(call)

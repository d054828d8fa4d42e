"""Who is let in, who is not, and what ends a connection."""

import asyncio
import base64
import json
import ssl
import time

import aiohttp
import pytest

from simulator.errors import SimulatorError
from simulator.identity import Identity, new_key, token
from simulator.mqtt import connection, packets
from simulator.mqtt.client import BareClient
from simulator.mqtt.packets import NOT_AUTHORIZED, Connack, Connect, Will
from tests.simulator.conftest import bare, device_client, manifest, module_client, receive, running, soon

UP = {"up": "FROM /messages/* INTO $upstream"}


async def answer_to(client, *, user=None, password=None, client_id=None):
    """What the hub says to a CONNECT with something wrong in it."""
    await client.open()
    identity, hub = client.identity, "simulated-hub.azure-devices.net"
    password = token(identity, hub, int(time.time() + 100)) if password is None else password
    user = f"{hub}/{identity.client_id}/?api-version=2019-10-01" if user is None else user
    client.write(packets.encode_connect(Connect(client_id or identity.client_id, False, 0, user, password.encode())))
    answer = await soon(client.read())
    await client.close()
    return answer


async def test_a_good_token_lets_in_and_each_kind_of_bad_one_does_not(tmp_path, caplog):
    hub = "simulated-hub.azure-devices.net"
    async with running(manifest(UP), tmp_path, "a", "b") as runtime:
        a = bare(runtime, "a")
        b = runtime.hub.client("b").identity
        later = int(time.time() + 100)
        forged = Identity(a.identity.device, "a", new_key())
        assert await answer_to(a) == Connack(False, 0)
        for password, why in {
            token(a.identity, hub, int(time.time() - 5)): "the token expired",
            token(b, hub, later): "the token is for",
            token(a.identity, "other-hub", later): "the token is for",
            token(forged, hub, later): "the token's signature is not made with the identity's key",
            token(a.identity, hub, later)[:-1]: "",
            "": "the password is not a SharedAccessSignature",
            "nonsense": "the password is not a SharedAccessSignature",
            token(a.identity, hub, later) + "x": "",
        }.items():
            caplog.clear()
            assert await answer_to(a, password=password) == Connack(False, NOT_AUTHORIZED), password
            assert "'edge-device/a' is refused: " + why in caplog.text


async def test_an_unknown_client_and_a_user_name_of_another_are_refused(tmp_path):
    async with running(manifest(UP), tmp_path, "a", "b") as runtime:
        a = bare(runtime, "a")
        assert (await answer_to(a, client_id="edge-device/nobody")).code == NOT_AUTHORIZED
        assert (await answer_to(a, user="simulated-hub.azure-devices.net/edge-device/b/?x")).code == NOT_AUTHORIZED
        assert (await answer_to(a, user="")).code == NOT_AUTHORIZED


async def test_the_certificate_is_of_the_runtimes_own_authority_and_names_its_address(tmp_path):
    async with running(manifest(UP), tmp_path / "1", "a") as one, running(manifest(UP), tmp_path / "2", "a") as two:
        identity = one.hub.client("a").identity
        with pytest.raises(ssl.SSLCertVerificationError):
            await BareClient(one.address, one.hub.name, identity, two.trust_bundle).connect()
        trusted = bare(one, "a")
        await trusted.connect()
        await trusted.close()


async def test_clients_trust_the_hub_still_after_a_restart_of_the_runtime(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        kept = runtime.trust_bundle.read_text()
        key = runtime.hub.client("a").identity.key
    async with running(manifest(UP), tmp_path) as runtime:
        assert runtime.trust_bundle.read_text() == kept
        assert runtime.hub.client("a").identity.key == key
        async with bare(runtime, "a") as client:
            await soon(client.send(b"x"))


@pytest.mark.whole
async def test_a_connection_ends_with_its_token(tmp_path, caplog):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.connect(life=2)
        with pytest.raises(ConnectionResetError):
            await soon(client.read())
        assert "edge-device/a is disconnected: its token has expired" in caplog.text


async def test_the_sdk_renews_what_expires_early_and_goes_on_sending(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        async with module_client(runtime, "a", connection_retry_interval=1) as client:
            await client.send_message_to_output("1", "o")
            runtime.faults.expire_tokens(0)
            await soon(runtime.hub.disconnected("a"))
            runtime.faults.expire_tokens(3600)
            await soon(runtime.hub.connected("a"))
            await soon(client.send_message_to_output("2", "o"))
        assert [message.body for message in await soon(runtime.upstream.wait_for(2))] == [b"1", b"2"]


@pytest.mark.whole
async def test_a_silent_client_is_disconnected_after_one_and_a_half_times_its_keep_alive(tmp_path, caplog):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.connect(keep_alive=1)
        with pytest.raises(ConnectionResetError):
            await soon(client.read())
        assert "edge-device/a is disconnected: nothing heard for" in caplog.text


@pytest.mark.whole
@pytest.mark.parametrize("keep_alive", [0, 65535])
async def test_no_keep_alive_time_is_longer_than_the_hubs(keep_alive, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(connection, "LONGEST_KEEP_ALIVE", 0.5)
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.connect(keep_alive=keep_alive)
        with pytest.raises(ConnectionResetError):
            await soon(client.read())
        assert "edge-device/a is disconnected: nothing heard for" in caplog.text


@pytest.mark.whole
async def test_a_client_that_pings_stays(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.connect(keep_alive=1)
        for _ in range(20):
            client.write(packets.PING)
            await soon(client.read())
            await asyncio.sleep(0.1)
        await soon(client.send(b"still here"))
        await client.close()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x00\x00", "packet type 0 is none"),
        (b"\x30\xff\xff\xff\xff", "a packet's length has more than four bytes"),
        (b"\x30\xff\xff\xff\x7f", "a packet of 268435455 bytes"),
        (b"\x34\x05\x00\x01a\x00\x01", "PUBLISH of QoS 2"),
        (b"\x32\x05\x00\x01a\x00\x00", "a packet identifier is 0"),
        (b"\x32\x03\x00\x01a", "a packet ends"),
        (b"\x32\x05\x00\x01\xff\x00\x01", "a string is not UTF-8"),
        (b"\x82\x02\x00\x01", "SUBSCRIBE with"),
        (b"\x20\x02\x00\x00", "a client does not send Connack"),
        (packets.encode_publish("somewhere/else", b"", 1), "it may not publish to 'somewhere/else'"),
        (packets.encode_publish("devices/edge-device/modules/b/messages/events/", b"", 1), "it may not publish"),
        (packets.encode_connect(Connect("edge-device/a", True, 0, "", b"")), "a client does not send Connect"),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_disconnected_with_a_log_line_and_others_go_on(
    data, why, tmp_path, caplog
):
    async with (
        running(manifest(UP), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        a.write(data)
        with pytest.raises(ConnectionResetError):
            await soon(a.read())
        assert f"edge-device/a is disconnected: {why}" in caplog.text
        await soon(b.send(b"I am still served"))


async def test_what_comes_before_connect_is_refused(tmp_path, caplog):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.open()
        client.write(packets.PING)
        with pytest.raises(ConnectionResetError):
            await soon(client.read())
        assert "Ping before CONNECT" in caplog.text


async def test_who_speaks_another_version_of_mqtt_is_told_so_and_another_protocol_is_cut_off(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        whole = packets.encode_connect(Connect("edge-device/a", False, 0, None, None))
        for level in (3, 5):
            await client.open()
            client.write(whole.replace(b"MQTT\4", b"MQTT" + bytes([level])))
            assert await soon(client.read()) == Connack(False, packets.REFUSED_VERSION)
            with pytest.raises(ConnectionResetError):
                await soon(client.read())
        await client.open()
        client.write(whole.replace(b"MQTT\4", b"MQTX\4"))
        with pytest.raises(ConnectionResetError):
            await soon(client.read())


async def test_a_user_name_without_an_api_version_is_refused(tmp_path, caplog):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        user = "simulated-hub.azure-devices.net/edge-device/a/?DeviceClientType=x"
        assert (await answer_to(bare(runtime, "a"), user=user)).code == NOT_AUTHORIZED
    assert "has no api-version" in caplog.text


async def connect_with_will(client, will):
    """Connect a bare client that leaves a will."""
    await client.open()
    identity, hub = client.identity, "simulated-hub.azure-devices.net"
    password = token(identity, hub, int(time.time() + 100)).encode()
    user = f"{hub}/{identity.client_id}/?api-version=2019-10-01&model-id=dtmi%3Apump%3B1"
    client.write(packets.encode_connect(Connect(identity.client_id, False, 0, user, password, will)))
    answer = await soon(client.read())
    assert isinstance(answer, Connack)
    assert answer.code == 0


async def test_the_will_of_who_goes_without_a_goodbye_is_a_message_of_its_own(tmp_path, caplog):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        events = "devices/edge-device/modules/a/messages/events/"
        await connect_with_will(client, Will(f"{events}%24.on=last&why=dead", b"I am gone", retain=True))
        await client.close()
        (message,) = await soon(runtime.upstream.wait_for(1))
        assert (message.module, message.output, message.body) == ("a", "last", b"I am gone")
        assert message.properties == {"why": "dead", "MessageType": "Will", "mqtt-retain": "true"}

        await connect_with_will(client, Will(events, b"never told"))
        client.write(packets.GOODBYE)
        with pytest.raises(ConnectionResetError):
            await soon(client.read())

        await connect_with_will(client, Will("devices/other/messages/events/", b"not its own"))
        await client.close()
        await soon(runtime.hub.disconnected("a"))
        await connect_with_will(client, None)
        await soon(client.send(b"still served"))
        assert [each.body for each in await soon(runtime.upstream.wait_for(2))] == [b"I am gone", b"still served"]
    assert "its will is for 'devices/other/messages/events/', where it may not send" in caplog.text


async def test_what_mqtt_says_of_a_message_and_the_model_of_its_sender_can_be_routed_by(tmp_path):
    routes = {
        "model": "FROM /messages/* WHERE $modelId = 'dtmi:pump;1' AND is_defined($edgeMessageId) INTO $upstream",
        "again": "FROM /messages/* WHERE mqtt-dup = 'true' INTO BrokeredEndpoint('/modules/b/inputs/again')",
    }
    async with running(manifest(routes), tmp_path, "a", "b") as runtime, bare(runtime, "b") as b:
        await b.subscribe()
        client = bare(runtime, "a")
        await connect_with_will(client, None)
        topic = "devices/edge-device/modules/a/messages/events/"
        client.write(packets.encode_publish(topic, b"x", 1, duplicate=True))
        assert (await soon(b.read_publish())).body == b"x"
        (message,) = await soon(runtime.upstream.wait_for(1))
        assert message.properties == {"mqtt-dup": "true"}
        await client.close()


async def test_a_leaf_device_connects_with_its_connection_string_and_its_messages_are_routed(tmp_path):
    routes = {
        "leaf": (
            'FROM /messages/* WHERE NOT is_defined($connectionModuleId) INTO BrokeredEndpoint("/modules/b/inputs/leaf")'
        ),
        "up": "FROM /messages/modules/* INTO $upstream",
    }
    async with running(manifest(routes), tmp_path, "b") as runtime, module_client(runtime, "b") as b:
        received = await receive(b)
        async with device_client(runtime, runtime.add_device("Client_001")) as device:
            await device.send_message(json.dumps({"CycleTime": 1}))
            message = await soon(received.get())
    assert message.input_name == "leaf"
    assert json.loads(message.data) == {"CycleTime": 1}
    assert message.custom_properties["$.cdid"] == "Client_001"
    assert "$.cmid" not in message.custom_properties


async def test_a_leaf_device_has_a_twin_and_methods_too(tmp_path):
    from azure.iot.device import MethodResponse

    async with running(manifest({}), tmp_path) as runtime:
        string = runtime.add_device("Client_001", new_key())
        runtime.upstream.set_desired("Client_001", {"rate": 3})
        async with device_client(runtime, string) as device:

            async def answer(request):
                response = MethodResponse.create_from_method_request(request, 201, request.payload)
                await device.send_method_response(response)

            assert (await soon(device.get_twin()))["desired"]["rate"] == 3
            await asyncio.to_thread(setattr, device, "on_method_request_received", answer)
            assert await soon(runtime.hub.invoke("Client_001", "hello", {"you": 1})) == (201, {"you": 1})


async def test_a_client_that_does_not_answer_the_end_of_tls_does_not_hold_up_the_hub(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        client = bare(runtime, "a")
        await client.connect()
        client._writer.transport.pause_reading()
        runtime.faults.kick("a")
        await soon(runtime.hub.disconnected("a"))
        assert runtime.hub.connections
        await soon(runtime.faults.stop_hub())
        await client.close()


async def test_nobody_is_registered_while_the_hub_is_stopped(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        await runtime.faults.stop_hub()
        with pytest.raises(SimulatorError, match="the hub is stopped; start it before late is registered"):
            runtime.add_module("late")
        await runtime.faults.start_hub()
        runtime.add_module("late")


async def test_a_key_that_is_no_key_and_a_name_that_is_no_name_are_refused(tmp_path):
    async with running(manifest(UP), tmp_path) as runtime:
        with pytest.raises(SimulatorError, match="the key 'not base64!' is not base64"):
            runtime.add_device("one", "not base64!")
        for name in ("", "a/b", "a+", "#"):
            with pytest.raises(SimulatorError, match="is no identity"):
                runtime.add_device(name)


async def test_the_workload_api_signs_only_what_it_should(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        environment = runtime.module_environment("a")
        path = environment["IOTEDGE_WORKLOADURI"].removeprefix("unix://")
        generation = environment["IOTEDGE_MODULEGENERATIONID"]
        data = base64.b64encode(b"something").decode()
        good = {"keyId": "primary", "algo": "HMACSHA256", "data": data}
        url = "http://workload/modules/{}/genid/{}/sign?api-version=2018-06-28"
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path)) as session:
            for module, number, body, status, why in (
                ("a", generation, good, 200, ""),
                ("nobody", generation, good, 404, "there is no client"),
                ("a", "other", good, 403, "module a has generation"),
                ("a", generation, good | {"algo": "MD5"}, 400, "primary with HMACSHA256 is what there is"),
                ("a", generation, good | {"data": "?"}, 400, "not a request to sign"),
                ("a", generation, {}, 400, "not a request to sign"),
            ):
                async with session.post(url.format(module, number), json=body) as answer:
                    got = await answer.json()
                    assert answer.status == status, got
                    assert why in got.get("message", "")
                    if status == 200:
                        assert got["digest"] == runtime.hub.client("a").identity.sign(b"something")

"""Manifests are judged as edgeAgent and edgeHub judge them: a line for each fault, with its path."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.agent import manifest
from simulator.agent.judge import faults
from simulator.errors import ManifestError
from tests.simulator.conftest import manifest as complete
from tests.simulator.conftest import module, shared

AGENT = "modulesContent/$edgeAgent/properties.desired"
HUB = "modulesContent/$edgeHub/properties.desired"
UP = "FROM /messages/* INTO $upstream"


def whole() -> dict:
    return complete({"up": UP}, {"m": module(["true"])})


def place(content: dict, path: str) -> tuple[dict, str]:
    *parents, last = path.replace("properties.desired", "properties+desired").split("/")
    for name in parents:
        content = content[name.replace("+", ".")]
    return content, last


def test_a_whole_manifest_has_no_faults() -> None:
    assert list(faults(whole())) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (f"{AGENT}/schemaVersion", "1.2", '"1.2", expected 1.0, 1.1, 1.1.0'),
        (f"{AGENT}/schemaVersion", 1.1, "1.1, expected 1.0, 1.1, 1.1.0"),
        (f"{AGENT}/runtime/type", "podman", '"podman", expected docker'),
        (f"{AGENT}/runtime/settings", None, "null, expected an object"),
        (f"{AGENT}/systemModules/edgeHub", [], "[], expected an object"),
        (f"{AGENT}/modules", "m", '"m", expected an object'),
        (f"{AGENT}/modules/m", None, "null, expected an object"),
        (f"{AGENT}/modules/m/type", "exe", '"exe", expected docker'),
        (f"{AGENT}/modules/m/status", "paused", '"paused", expected running, stopped'),
        (f"{AGENT}/modules/m/restartPolicy", None, "null, expected never, on-failure, on-unhealthy, always"),
        (f"{AGENT}/modules/m/restartPolicy", "on_failure", '"on_failure", expected never, on-failure'),
        (f"{AGENT}/modules/m/imagePullPolicy", "always", '"always", expected on-create, never'),
        (f"{AGENT}/modules/m/startupOrder", -1, "-1, expected a whole number from 0 to 4294967295"),
        (f"{AGENT}/modules/m/startupOrder", None, "null, expected a whole number"),
        (f"{AGENT}/modules/m/startupOrder", 1.5, "1.5, expected a whole number"),
        (f"{AGENT}/modules/m/startupOrder", True, "true, expected a whole number"),
        (f"{AGENT}/modules/m/env/NAME", "text", '"text", expected {"value": "..."}'),
        (f"{AGENT}/modules/m/env/NAME", {"value": []}, "/value: [], expected a text"),
        (f"{AGENT}/modules/m/settings/image", "", '"", expected [registry/]name[:tag]'),
        (f"{AGENT}/modules/m/settings/image", "host:5000/a:b:c", "expected [registry/]name[:tag]"),
        (f"{AGENT}/modules/m/settings/image", 7, "7, expected a text"),
        (f"{AGENT}/modules/m/settings/createOptions", "{", "it is not JSON: Expecting"),
        (f"{AGENT}/modules/m/settings/createOptions", "[]", "[], expected an object"),
        (f"{AGENT}/modules/m/settings/createOptions", {}, "this is a template; generate the manifest first"),
        (f"{AGENT}/modules/m/settings/createOptions", 5, "5, expected JSON as a text"),
        (f"{AGENT}/modules/m/settings/createOptions00", "", "edgeAgent reads createOptions, and createOptions01 to"),
        (f"{AGENT}/modules/m/settings/createOptions100", "", "edgeAgent reads createOptions, and createOptions01 to"),
        (f"{AGENT}/modules/m/settings/createOptions02", "}", "createOptions01: it is missing"),
        (f"{HUB}/schemaVersion", "1.4", '"1.4", expected 1.0, 1.1, 1.2, 1.3'),
        (f"{HUB}/routes", None, "null, expected an object"),
        (f"{HUB}/routes/up", None, "null, expected a text, or an object with route"),
        (f"{HUB}/routes/up", "", "column 1: Syntax error: it ends too early"),
        (f"{HUB}/routes/up", {"priority": 1}, "there is no route"),
        (f"{HUB}/routes/up", {"route": UP, "priority": 10}, "/priority: 10, expected a whole number from 0 to 9"),
        (f"{HUB}/routes/up", {"route": UP, "priority": "high"}, '/priority: "high", expected a whole number'),
        (f"{HUB}/routes/up", {"route": UP, "timeToLiveSecs": -1}, "-1, expected a whole number from 0"),
        (f"{HUB}/routes/up", "FROM /messages WHERE t INTO upstream", "Syntax error"),
        (
            f"{HUB}/routes/up",
            "FROM /messages WHERE t > 30 INTO $upstream",
            "as_number(t) > 30. edgeHub answers 200 to it, and ends at its next start",
        ),
        (f"{HUB}/storeAndForwardConfiguration", None, "null, expected an object"),
        (f"{HUB}/storeAndForwardConfiguration/timeToLiveSecs", "long", '"long", expected a whole number'),
        (f"{HUB}/storeAndForwardConfiguration/storeLimits", {"maxSizeBytes": -1}, "maxSizeBytes: -1, expected a whole"),
        ("modulesContent/m", {}, "there is no properties.desired"),
        ("modulesContent/m", [], "[], expected an object"),
    ],
)
def test_what_a_device_would_not_take_is_told_in_one_line_with_its_path(path, value, told) -> None:
    content = whole()
    parent, last = place(content, path)
    parent[last] = value
    first = next(iter(faults(content)))
    assert first.startswith(path.removesuffix("02"))
    assert told in first
    assert "\n" not in first
    with pytest.raises(ManifestError):
        manifest.parse(content)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{AGENT}/schemaVersion", "there is no schemaVersion; expected 1.0"),
        (f"{AGENT}/runtime", "there is no runtime"),
        (f"{AGENT}/systemModules", "there is no systemModules"),
        (f"{AGENT}/systemModules/edgeHub", "there is no edgeHub"),
        (f"{AGENT}/modules/m/type", "there is no type; expected docker"),
        (f"{AGENT}/modules/m/status", "there is no status; expected running, stopped"),
        (f"{AGENT}/modules/m/settings", "there is no settings"),
        (f"{AGENT}/modules/m/settings/image", "there is no image"),
        (f"{HUB}/schemaVersion", "there is no schemaVersion; expected 1.0, 1.1, 1.2, 1.3"),
        (f"{HUB}/routes", "there is no routes"),
        (f"{HUB}/storeAndForwardConfiguration", "there is no storeAndForwardConfiguration"),
        ("modulesContent/$edgeHub", "there is no $edgeHub"),
        ("modulesContent/$edgeAgent", "there is no $edgeAgent"),
        ("modulesContent", "manifest: there is no modulesContent"),
    ],
)
def test_what_is_missing_is_told_where_it_would_be(path, told) -> None:
    content = whole()
    parent, last = place(content, path)
    del parent[last]
    first = next(iter(faults(content)))
    assert told in first


def test_all_faults_are_told_at_once() -> None:
    content = whole()
    manifest.desired(content, "$edgeHub")["schemaVersion"] = "2.0"
    manifest.desired(content, "$edgeAgent")["modules"]["m"]["status"] = "on"
    with pytest.raises(ManifestError) as refused:
        manifest.parse(content)
    first, *others = str(refused.value).split("\n")
    assert first == "2 faults:"
    assert [each.split(":")[0].strip() for each in others] == [f"{AGENT}/modules/m/status", f"{HUB}/schemaVersion"]


def test_create_options_in_any_order_and_case_are_put_together() -> None:
    content = whole()
    agent = manifest.desired(content, "$edgeAgent")
    settings = {"image": "m", "CREATEOPTIONS01": '["a"]}', "createOptions": '{"Cmd": '}
    agent["modules"]["m"]["settings"] = settings
    assert manifest.parse(content).modules["m"].create_options == {"Cmd": ["a"]}


def test_an_edge_hub_of_the_first_schema_takes_texts_only_and_skips_an_empty_one() -> None:
    content = whole()
    hub = manifest.desired(content, "$edgeHub")
    hub["schemaVersion"] = "1.0"
    del hub["storeAndForwardConfiguration"]
    hub["routes"]["none"] = ""
    assert [route.name for route in manifest.parse(content).routes] == ["up"]
    hub["routes"]["up"] = {"route": UP}
    assert "schemaVersion 1.0 has routes as texts only" in next(iter(faults(content)))


def test_the_real_hubs_makers_own_configurations_come_out_alike() -> None:
    for case in json.loads(shared("edgehub", "twins.json").read_text())["edgeHub"]:
        content = whole()
        content["modulesContent"]["$edgeHub"]["properties.desired"] = case["desired"]
        assert list(faults(content)) is not case["valid"], case["name"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value, before=()):
    yield before
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, (*before, key))


PATHS = list(paths(whole()))


@given(st.sampled_from(PATHS), JSON)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_json_in_any_place_is_taken_or_refused_and_no_more(path, value) -> None:
    content = whole()
    if path:
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
    else:
        content = value
    try:
        parsed = manifest.parse(content)
    except ManifestError:
        return
    manifest.warnings(content)
    manifest.device_warnings(content)
    assert all(route.time_to_live >= 0 for route in parsed.routes)

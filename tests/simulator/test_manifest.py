import json
import shutil

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from simulator import manifest
from simulator.errors import ManifestError
from tests.simulator.conftest import ROOT, shared

ENVIRONMENT = manifest.environment_file(ROOT / ".env.example")


def validate(content, schema):
    folder = shared("schemas", schema).parent
    resources = []
    for file in folder.glob("*.json"):
        resource = Resource.from_contents(json.loads(file.read_text()), default_specification=DRAFT4)
        resources += [(file.name, resource), (f"https://json.schemastore.org/{file.name}", resource)]
    validator = jsonschema.Draft4Validator(
        json.loads((folder / schema).read_text()), registry=Registry().with_resources(resources)
    )
    validator.validate(content)


@pytest.fixture
def template(tmp_path):
    """A copy of the project's template with its modules, to be changed by a test."""
    shutil.copy(ROOT / "deployment.template.json", tmp_path)
    for file in ROOT.glob("modules/*/module.json"):
        copy = tmp_path / "modules" / file.parent.name / "module.json"
        copy.parent.mkdir(parents=True)
        shutil.copy(file, copy)
    return tmp_path / "deployment.template.json"


def test_the_template_is_one():
    validate(manifest.read_json(ROOT / "deployment.template.json"), "azure-iot-edge-deployment-template-3.0.json")


@pytest.mark.parametrize("architecture", manifest.ARCHITECTURES)
def test_what_is_generated_is_a_manifest(architecture):
    content = manifest.Template(ROOT / "deployment.template.json", architecture, ENVIRONMENT).manifest()
    validate(content, "azure-iot-edge-deployment-2.0.json")
    assert "$schema-template" not in content
    modules = manifest.desired(content, "$edgeAgent")["modules"]
    assert all(module["settings"]["image"].endswith(f"-{architecture}") for module in modules.values())
    assert "${" not in json.dumps(content)


def test_a_variable_without_a_value_is_named(template):
    missing = {name: value for name, value in ENVIRONMENT.items() if name != "MODEL_DIR"}
    with pytest.raises(ManifestError, match=r"variable MODEL_DIR of .*rulclassifier.*\.env"):
        manifest.Template(template, "amd64", missing).manifest()


def test_the_environment_wins_over_the_env_file(template):
    (template.parent / ".env").write_text("# a comment\n\nexport STATE_DIR='/from file'\nTELEMETRY_FILE=x.txt\n")
    wanted = ENVIRONMENT | {"TELEMETRY_FILE": "y.txt"}
    del wanted["STATE_DIR"]
    content = manifest.parse(manifest.Template(template, "amd64", wanted).manifest())
    binds = content.modules["telemetrysource"].create_options["HostConfig"]["Binds"]
    assert "/from file/telemetrysource:/state" in binds
    assert content.modules["telemetrysource"].environment["TELEMETRY_PATH"] == "/telemetry/y.txt"


def test_a_byte_order_mark_before_the_env_file_is_no_part_of_a_name(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfMODEL_DIR=/models\n")
    assert manifest.environment_file(tmp_path / ".env") == {"MODEL_DIR": "/models"}


def test_a_line_of_the_env_file_that_is_none_is_pointed_at(tmp_path):
    (tmp_path / ".env").write_text("A=1\nnonsense\n")
    with pytest.raises(ManifestError, match=r"\.env line 2: 'nonsense' is not NAME=VALUE"):
        manifest.environment_file(tmp_path / ".env")


def test_create_options_come_back_whole_from_their_pieces():
    options = {"Env": [f"VARIABLE{number}=é{'x' * 90}" for number in range(20)]}
    pieces = manifest.in_pieces("m", options)
    assert list(pieces)[:3] == ["createOptions", "createOptions01", "createOptions02"]
    assert all(len(piece) <= 512 for piece in pieces.values())
    assert json.loads("".join(pieces.values())) == options


def test_create_options_of_more_than_eight_pieces_are_refused():
    exact = manifest.in_pieces("m", "x" * 4096)
    assert len(exact) == 8
    with pytest.raises(ManifestError, match="createOptions of m are 4097 characters, more than the 4096"):
        manifest.in_pieces("m", "x" * 4097)


def test_an_image_for_an_architecture_that_the_module_has_not_is_refused(template):
    path = template.parent / "modules" / "rulclassifier" / "module.json"
    description = json.loads(path.read_text())
    del description["image"]["tag"]["platforms"]["arm32v7"]
    path.write_text(json.dumps(description))
    with pytest.raises(ManifestError, match="no platform 'arm32v7'; it has amd64, arm64v8"):
        manifest.Template(template, "arm32v7", ENVIRONMENT).manifest()


def test_a_route_takes_the_global_time_to_live_unless_it_has_its_own():
    content = {
        "modulesContent": {
            "$edgeAgent": {"properties.desired": {}},
            "$edgeHub": {
                "properties.desired": {
                    "routes": {"a": "FROM /* INTO $upstream", "b": {"route": "FROM /* INTO $upstream", "priority": 3}},
                    "storeAndForwardConfiguration": {"timeToLiveSecs": 77},
                }
            },
        }
    }
    content["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]["c"] = {
        "route": "FROM /* INTO $upstream",
        "timeToLiveSecs": 5,
    }
    routes = {route.name: route for route in manifest.parse(content).routes}
    assert [routes[name].time_to_live for name in "abc"] == [77, 77, 5]
    assert routes["b"].priority < routes["a"].priority


@pytest.mark.parametrize("priority", [-1, 10, "high"])
def test_a_priority_that_edge_hub_has_not_is_refused(priority):
    content = {
        "modulesContent": {
            "$edgeAgent": {"properties.desired": {}},
            "$edgeHub": {
                "properties.desired": {"routes": {"r": {"route": "FROM /* INTO $upstream", "priority": priority}}}
            },
        }
    }
    with pytest.raises(ManifestError, match=r"route r has priority .* takes 0 to 9"):
        manifest.parse(content)


def runtime_module(content, name):
    return manifest.desired(content, "$edgeAgent")["systemModules"][name]


@pytest.fixture
def generated():
    return manifest.Template(ROOT / "deployment.template.json", "amd64", ENVIRONMENT).manifest()


def test_the_template_keeps_what_was_handed_over_on_the_host(generated):
    assert manifest.warnings(generated) == []
    assert manifest.warnings(manifest.load(ROOT / "examples" / "ten_line_manifest.json")) == []


def without_folder(module):
    del module["env"]


def without_bind(module):
    module["settings"] = {"image": "hub", "createOptions": "{}"}


def with_another_bind(module):
    module["settings"]["createOptions"] = json.dumps({"HostConfig": {"Binds": ["/srv:/iotedge/stor"]}})


@pytest.mark.parametrize("spoil", [without_folder, without_bind, with_another_bind])
@pytest.mark.parametrize(("name", "lost"), [("edgeHub", "what waits for the cloud"), ("edgeAgent", "the deployment")])
def test_a_runtime_module_that_keeps_nothing_on_the_host_is_warned_of(generated, spoil, name, lost):
    spoil(runtime_module(generated, name))
    (warning,) = manifest.warnings(generated)
    assert warning.startswith(f"{name} keeps its store in its container: {lost}")


def test_a_mount_or_a_bind_of_a_folder_above_is_as_good_and_case_does_not_matter(generated):
    module = runtime_module(generated, "edgeHub")
    module["env"] = {"storageFolder": {"value": "/iotedge/storage/hub/"}}
    for host in (
        {"Binds": ["/srv/hub:/iotedge/storage:rw"]},
        {"Mounts": [{"Type": "volume", "Source": "hub", "Target": "/iotedge"}]},
    ):
        module["settings"] = {"image": "hub", "createOptions": json.dumps({"HostConfig": host})}
        assert manifest.warnings(generated) == []


def test_a_module_has_bounds_of_memory_processes_and_logs(generated):
    for name, module in manifest.parse(generated).modules.items():
        host = module.create_options["HostConfig"]
        assert 256_000_000 < host["Memory"] <= 512 * 1024 * 1024, name
        assert 64 < host["PidsLimit"] <= 512, name
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}

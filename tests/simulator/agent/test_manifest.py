import json
import math
import os
import shutil
import subprocess

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from simulator.agent import manifest
from simulator.agent.template import ARCHITECTURES, Template, environment_file, in_pieces, load
from simulator.errors import ManifestError
from simulator.shipped import ARCHIVE_TEMPLATE, TEMPLATE
from tests.simulator.conftest import ROOT, shared, simulator
from tests.simulator.conftest import manifest as complete

ENVIRONMENT = environment_file(ROOT / ".env.example")


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


@pytest.mark.parametrize("path", [TEMPLATE, ARCHIVE_TEMPLATE], ids=lambda path: path.name)
def test_the_template_is_one(path):
    validate(manifest.read_json(path), "azure-iot-edge-deployment-template-3.0.json")


def test_the_archives_template_is_the_other_with_avrowriter():
    base, archive = (manifest.read_json(path)["modulesContent"] for path in (TEMPLATE, ARCHIVE_TEMPLATE))
    modules = archive["$edgeAgent"]["properties.desired"]["modules"]
    assert modules.pop("avrowriter")["settings"]["image"] == "${MODULES.avrowriter}"
    assert modules["rulclassifier"]["env"].pop("ARCHIVE") == {"value": "all"}
    routes = archive["$edgeHub"]["properties.desired"]["routes"]
    assert "/modules/avrowriter/inputs/archive" in routes.pop("archiveToWriter")["route"]
    assert "$upstream" in routes.pop("unwrittenUpstream")["route"]
    assert archive.pop("avrowriter") == {"properties.desired": {}}
    assert archive == base


@pytest.mark.parametrize("path", [TEMPLATE, ARCHIVE_TEMPLATE], ids=lambda path: path.name)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_generated_is_a_manifest(architecture, path):
    content = Template(path, architecture, ENVIRONMENT).manifest()
    validate(content, "azure-iot-edge-deployment-2.0.json")
    assert "$schema-template" not in content
    modules = manifest.desired(content, "$edgeAgent")["modules"]
    assert all(module["settings"]["image"].endswith(f"-{architecture}") for module in modules.values())
    assert "${" not in json.dumps(content)


def test_a_variable_without_a_value_is_named(template):
    missing = {name: value for name, value in ENVIRONMENT.items() if name != "MODEL_DIR"}
    with pytest.raises(ManifestError, match=r"variable MODEL_DIR of .*rulclassifier.*\.env"):
        Template(template, "amd64", missing).manifest()


def test_the_environment_wins_over_the_env_file(template):
    (template.parent / ".env").write_text("# a comment\n\nexport STATE_DIR='/from file'\nTELEMETRY_FILE=x.txt\n")
    wanted = ENVIRONMENT | {"TELEMETRY_FILE": "y.txt"}
    del wanted["STATE_DIR"]
    content = manifest.parse(Template(template, "amd64", wanted).manifest())
    binds = content.modules["telemetrysource"].create_options["HostConfig"]["Binds"]
    assert "/from file/telemetrysource:/state" in binds
    assert content.modules["telemetrysource"].environment["TELEMETRY_PATH"] == "/telemetry/y.txt"


def test_a_byte_order_mark_before_the_env_file_is_no_part_of_a_name(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfMODEL_DIR=/models\n")
    assert environment_file(tmp_path / ".env") == {"MODEL_DIR": "/models"}


def test_the_env_file_is_read_as_python_dotenv_reads_it(tmp_path):
    (tmp_path / ".env").write_text(
        'export A = one # said of it\nB=\'single # quoted\'\nC="two\\nlines"\n\nD=${A}/${B}\nE=\nF="over\ntwo"\n'
    )
    assert environment_file(tmp_path / ".env") == {
        "A": "one",
        "B": "single # quoted",
        "C": "two\nlines",
        "D": "one/single # quoted",
        "E": "",
        "F": "over\ntwo",
    }


def test_an_env_file_that_is_no_text_is_refused_in_one_line(tmp_path):
    (tmp_path / ".env").write_bytes(b"A=1\n\xff\xfe")
    with pytest.raises(ManifestError, match=r"\.env cannot be read as text in UTF-8"):
        environment_file(tmp_path / ".env")


def test_a_name_without_braces_is_filled_in_only_if_it_has_a_value(template):
    content = json.loads(template.read_text())
    routes = content["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]
    routes["$ROUTE"] = "FROM /messages/modules/$NAME/* WHERE $unknown > 1 INTO $upstream"
    template.write_text(json.dumps(content))
    made = Template(template, "amd64", ENVIRONMENT | {"ROUTE": "all", "NAME": "rulclassifier"}).manifest()
    filled = manifest.desired(made, "$edgeHub")["routes"]
    assert filled["all"] == "FROM /messages/modules/rulclassifier/* WHERE $unknown > 1 INTO $upstream"


@pytest.mark.parametrize(("size", "right"), [(4096, True), (4097, False)])
def test_a_value_that_iot_hub_would_refuse_is_named(template, size, right):
    environment = ENVIRONMENT | {"TELEMETRY_FILE": "é" * 2 + "x" * (size - len("/telemetry/") - 4)}
    if right:
        Template(template, "amd64", environment).manifest()
    else:
        told = r"\$edgeAgent/modules/telemetrysource/env/TELEMETRY_PATH/value has 4,097 bytes; IoT Hub takes 4,096"
        with pytest.raises(ManifestError, match=told):
            Template(template, "amd64", environment).manifest()


def test_a_twin_that_iot_hub_would_refuse_is_named(template):
    content = json.loads(template.read_text())
    content["modulesContent"]["rulclassifier"]["properties.desired"] = {f"k{n}": "x" * 4000 for n in range(9)}
    template.write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=r"the twin of rulclassifier has 36,\d+ bytes; IoT Hub takes 32,768"):
        Template(template, "amd64", ENVIRONMENT).manifest()


@pytest.mark.parametrize(
    ("registry", "warned"),
    [
        ("registry.example.com", True),
        ("myregistry.example", True),
        ("<registry>.azurecr.io", True),
        ("example.azurecr.io", False),
        ("localhost:5000", False),
    ],
)
def test_images_at_a_registry_that_is_nobodys_are_warned_of(registry, warned):
    made = Template(
        ROOT / "deployment.template.json", "amd64", ENVIRONMENT | {"CONTAINER_REGISTRY": registry}
    ).manifest()
    told = manifest.device_warnings(made)
    assert len(told) == (2 if warned else 0)
    assert all("set CONTAINER_REGISTRY" in each for each in told)


def test_a_module_that_is_left_out_leaves_nothing_of_it(template):
    made = Template(template, "amd64", ENVIRONMENT).manifest()
    assert manifest.without(made, "telemetrysource") == ["telemetryToClassifier"]
    assert "telemetrysource" not in json.dumps(made)
    validate(made, "azure-iot-edge-deployment-2.0.json")
    assert {module.name for module in manifest.parse(made).modules.values()} == {"rulclassifier"}
    with pytest.raises(ManifestError, match="no module 'telemetrysource' to leave out; the manifest has rulclassifier"):
        manifest.without(made, "telemetrysource")


def test_the_command_leaves_out_what_it_is_told_and_keeps_passwords_to_the_owner(template):
    out = template.parent / "deployment.json"
    out.write_text("readable by all")
    environment = os.environ | ENVIRONMENT | {"CONTAINER_REGISTRY_PASSWORD": "secret"}
    told = simulator(
        *("manifest", "--template", template, "--out", out, "--without", "telemetrysource"), env=environment
    )
    assert told.returncode == 0, told.stderr
    assert "the route telemetryToClassifier is left out with telemetrysource" in told.stderr
    assert f"warning: {out} holds the password of registry.example.com: only you may read it" in told.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    made = json.loads(out.read_text())
    assert "telemetrysource" not in json.dumps(made)
    assert "secret" in out.read_text()
    assert "secret" not in told.stderr


def test_what_may_hold_a_password_is_not_taken_into_the_repository():
    names = ["deployment.json", "deployment.amd64.json", "config/deployment.json", ".env"]
    told = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode == 128:
        pytest.skip("this is no checkout; clone the repository by git")
    assert told.stdout.split() == names
    template = subprocess.run(["git", "check-ignore", "deployment.template.json"], cwd=ROOT, check=False)
    assert template.returncode == 1


def test_a_line_of_the_env_file_that_is_none_is_pointed_at(tmp_path):
    (tmp_path / ".env").write_text("A=1\nnonsense\n")
    with pytest.raises(ManifestError, match=r"\.env line 2: 'nonsense' is not NAME=VALUE"):
        environment_file(tmp_path / ".env")


def test_create_options_come_back_whole_from_their_pieces():
    options = {"Env": [f"VARIABLE{number}=é{'x' * 90}" for number in range(20)]}
    pieces = in_pieces("m", options)
    assert list(pieces)[:3] == ["createOptions", "createOptions01", "createOptions02"]
    assert all(len(piece) <= 512 for piece in pieces.values())
    assert json.loads("".join(pieces.values())) == options


def test_create_options_are_in_as_many_pieces_as_edge_agent_reads():
    exact = in_pieces("m", "x" * 51_200)
    assert list(exact)[:2] + list(exact)[-1:] == ["createOptions", "createOptions01", "createOptions99"]
    with pytest.raises(ManifestError, match="createOptions of m are 51201 characters, more than the 51200"):
        in_pieces("m", "x" * 51_201)


def test_an_image_for_an_architecture_that_the_module_has_not_is_refused(template):
    path = template.parent / "modules" / "rulclassifier" / "module.json"
    description = json.loads(path.read_text())
    del description["image"]["tag"]["platforms"]["arm32v7"]
    path.write_text(json.dumps(description))
    with pytest.raises(ManifestError, match="no platform 'arm32v7'; it has amd64, arm64v8"):
        Template(template, "arm32v7", ENVIRONMENT).manifest()


@pytest.mark.parametrize(
    ("configuration", "wanted"),
    [({"timeToLiveSecs": 77}, 77.0), ({"timeToLiveSecs": -1}, math.inf), ({"timeToLiveSecs": 0}, 0.0), ({}, 0.0)],
)
def test_a_route_takes_the_global_time_to_live_unless_it_has_its_own(configuration, wanted):
    content = complete(
        {
            "a": "FROM /* INTO $upstream",
            "b": {"route": "FROM /* INTO $upstream", "priority": 3, "timeToLiveSecs": 0},
            "c": {"route": "FROM /* INTO $upstream", "timeToLiveSecs": 5},
        }
    )
    manifest.desired(content, "$edgeHub")["storeAndForwardConfiguration"] = configuration
    routes = {route.name: route for route in manifest.parse(content).routes}
    assert [routes[name].time_to_live for name in "abc"] == [wanted, wanted, 5.0]
    assert routes["b"].priority < routes["a"].priority
    told = [each for each in manifest.warnings(content) if "expire at once" in each]
    assert [each.split(" expire")[0] for each in told] == (
        [] if wanted else ["messages of route a", "messages of route b"]
    )


def test_what_a_module_does_not_say_is_as_edge_agent_has_it():
    entry = {"type": "Docker", "status": "Running", "env": {"EMPTY": {"value": None}, "NUMBER": {"value": 7}}}
    content = complete({}, {"m": entry | {"settings": {"image": " m:1 ", "createOptions": " "}}})
    (module,) = manifest.parse(content).modules.values()
    assert (module.status, module.restart_policy, module.startup_order) == ("running", "on-unhealthy", 4_294_967_295)
    assert (module.image, module.environment, module.create_options) == ("m:1", {"EMPTY": "", "NUMBER": "7"}, {})


def runtime_module(content, name):
    return manifest.desired(content, "$edgeAgent")["systemModules"][name]


@pytest.fixture
def generated():
    return Template(ROOT / "deployment.template.json", "amd64", ENVIRONMENT).manifest()


def test_the_template_keeps_what_was_handed_over_on_the_host(generated):
    assert manifest.warnings(generated) == []
    assert manifest.warnings(load(ROOT / "examples" / "ten_line_manifest.json")) == []


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

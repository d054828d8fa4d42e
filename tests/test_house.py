"""Holds the packages to the arrows of docs/architecture.md: training -> scoring <- modules."""

import ast
import graphlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.version import VERSION
from tests.places import ROOT

TRAINING_ONLY = {
    "sklearn",
    "skl2onnx",
    "joblib",
    "pandas",
    "matplotlib",
    "scipy",
    "threadpoolctl",
    "onnx",
    "pickle",
    "shelve",
    "marshal",
}
MAY_IMPORT = {
    "scoring": {
        "scoring",
        "numpy",
        "onnxruntime",
        "aiohttp",
        "prometheus_client",
        "msgspec",
        "fsspec",
        "pyarrow",
        "fastavro",
        # Where Azure ML's own server runs score.py.
        "azureml_inference_server_http",
    },
    "turbofan": {"turbofan", "scoring", "simulator"},
    "modules": {"modules", "scoring", "numpy", "aiohttp", "avro", "azure", "paho", "prometheus_client"},
    "simulator": {"simulator", "scoring", "numpy", "aiohttp", "cryptography", "dotenv", "fastavro", "lark", "rich"},
    "training": {
        "training",
        "scoring",
        "numpy",
        "sklearn",
        "skl2onnx",
        "joblib",
        "matplotlib",
        "onnx",
        "onnxruntime",
        "rich",
        "scipy",
        "threadpoolctl",
    },
}

PACKAGES = ("scoring", "modules", "training", "simulator", "demo", "turbofan")
FLOORS = {
    # From the ground up: the files beside the rooms, and then the rooms.
    "scoring": (
        ("",),
        ("model",),
        ("telemetry",),
        ("wire",),
        ("predictions",),
        ("batch", "service"),
        ("azureml", "comparison"),
        ("cli",),
    ),
    "modules": (("edge",), ("avrowriter", "rulclassifier", "telemetrysource")),
    "modules.edge": (("",), ("hub",), ("journal",), ("host",)),
    "training": (
        ("",),
        ("data",),
        ("estimators", "evaluation"),
        ("fitting", "graph"),
        ("export",),
        ("release", "report"),
        ("cli",),
    ),
    "simulator": (("",), ("engines", "mqtt", "routing"), ("agent", "cloud"), ("hub",), ("runtime",), ("cli",)),
}
MAX_FILES = 16


def imported(package: str) -> dict[str, set[str]]:
    """By file, the top-level names that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
        found[str(path.relative_to(ROOT))] = names
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_its_place_in_the_house_allows(package: str) -> None:
    for file, names in imported(package).items():
        foreign = names - MAY_IMPORT[package] - set(sys.stdlib_module_names)
        assert not foreign, f"{file} imports {sorted(foreign)}"


def arrows(package: str) -> dict[str, set[str]]:
    """By module, those of its package that it imports, also for types alone."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / package).rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                # `from a import b` may name a module or what stands in one.
                wholes = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {whole if whole in paths else f"{node.module}" for whole in wholes}
        found[module] = (names & paths.keys()) - {module}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_go_round_in_a_circle(package: str) -> None:
    graphlib.TopologicalSorter(arrows(package)).prepare()


@pytest.mark.parametrize("package", FLOORS)
def test_a_room_imports_only_from_floors_below(package: str) -> None:
    floor = {name: number for number, names in enumerate(FLOORS[package]) for name in names}

    def room(module: str) -> str:
        name = module.removeprefix(package).split(".")[1]
        return name if name in floor else ""

    folder = ROOT.joinpath(*package.split("."))
    rooms = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    beside = {"" for path in folder.glob("*.py") if path.stem not in {"__init__", "__main__"}}
    assert rooms | beside == floor.keys()
    # The package's own name, and its commands, stand outside.
    outside = {package, f"{package}.__main__"}
    for module, names in arrows(package.partition(".")[0]).items():
        if module.startswith(f"{package}.") and module not in outside:
            within = {each for each in names - outside if each.startswith(f"{package}.")}
            above = {each for each in within if room(each) != room(module) and floor[room(each)] >= floor[room(module)]}
            assert not above, f"{module} imports {sorted(above)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_has_no_more_files_than_one_can_look_over(package: str) -> None:
    for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
        assert len(list(folder.glob("*.py"))) <= MAX_FILES, folder


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


@pytest.mark.parametrize("package", ["scoring", "modules"])
def test_nothing_on_a_device_can_unpickle(package: str) -> None:
    for file, names in imported(package).items():
        assert not names & TRAINING_ONLY, f"{file} imports {sorted(names & TRAINING_ONLY)}"


@pytest.mark.whole
@pytest.mark.parametrize("name", ["rulclassifier", "avrowriter", "telemetrysource"])
def test_a_module_starts_where_training_is_not_installed(name: str) -> None:
    program = f"""
import sys
import tomllib

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING_ONLY - {"pickle", "shelve", "marshal"}!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import modules.{name}.main
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ, cwd=ROOT)


@pytest.mark.parametrize("path", sorted((ROOT / "modules").glob("*/module.json")), ids=lambda path: path.parent.name)
def test_a_module_names_dockerfiles_that_are_there_and_the_projects_version(path: Path) -> None:
    image = json.loads(path.read_text())["image"]
    assert image["tag"]["version"] == VERSION
    assert f"--build-arg=VERSION={VERSION}" in image["buildOptions"]
    assert (path.parent / image["contextPath"]).resolve() == ROOT
    for architecture, dockerfile in image["tag"]["platforms"].items():
        text = (path.parent / dockerfile).read_text()
        assert f"docker.io/{architecture}/debian" in text
        assert f"ARG VERSION={VERSION}" in text


def test_each_file_has_a_test_of_its_name_or_a_line_that_says_what_shows_it() -> None:
    through = {}
    for shown_by, files in re.findall(
        r"^\| \[.+?\]\((.+?)\) \| (.+) \|$", (ROOT / "tests/README.md").read_text(), re.M
    ):
        through |= dict.fromkeys(re.findall(r"`(.+?)`", files), ROOT / "tests" / shown_by)
    assert [file for file, shown_by in through.items() if not ((ROOT / file).exists() and shown_by.exists())] == []
    files = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    own = {str(file) for file in files if (ROOT / "tests" / file.parent / f"test_{file.name}").exists()}
    assert own & through.keys() == set()
    assert {str(file) for file in files if file.name != "__init__.py"} - own - through.keys() == set()


def test_each_test_that_a_promise_names_is_there() -> None:
    names = re.findall(
        r"(?:def|async def) (\w+)\(", "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    )
    named = re.findall(r"\b(test_\w+?)_?(?:\.\.\.|`)", (ROOT / "docs" / "reliability.md").read_text())
    assert len(named) > 50
    assert [each for each in named if not any(name.startswith(each) for name in names)] == []


def test_whatever_the_simulator_has_the_same_as_a_device_is_shown_by_a_test() -> None:
    text = (ROOT / "docs/simulator.md").read_text().partition("| shown by |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    assert len(rows) > 30
    for matter, _, ours, shown in rows:
        linked = re.search(r"\]\(\.\./(tests/\S+\.py)\)", shown)
        assert linked or "the same" not in ours, matter
        assert not linked or (ROOT / linked[1]).exists(), matter


DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md")])


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_whatever_the_docs_link_to_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    assert [each for each in links if "://" not in each and not (path.parent / each).exists()] == []


def test_each_file_that_the_architecture_names_is_there_unless_its_place_is_kept() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    kept = next(each for each in text.split("\n\n") if each.startswith("What comes next has its place"))
    files = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    named = set(re.findall(r"`(?:\w+/)*(?:\w+\.py)`", text.replace(kept, "")))
    assert len(named) > 50
    gone = {each for each in named if not any(f"/{file}".endswith(f"/{each.strip('`')}") for file in files)}
    assert gone == {"`tests/test_house.py`"}


SCRIPTS = [".ci/run", *(f"images/{path.name}" for path in (ROOT / "images").glob("*.sh"))]


@pytest.mark.parametrize(
    ("linter", "files"),
    [("shellcheck", SCRIPTS), ("hadolint", sorted(path.name for path in ROOT.glob("Dockerfile.*")))],
)
def test_linters_find_nothing_in_scripts_and_dockerfiles(linter: str, files: list[str]) -> None:
    program = shutil.which(linter, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{linter} has no wheel for this machine; install it by your system's packages")
    assert len(files) == 3
    found = subprocess.run([program, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout

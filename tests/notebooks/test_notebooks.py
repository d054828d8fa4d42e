"""The notebooks run from top to bottom, in their order, and are kept without outputs."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.places import ROOT

pytestmark = pytest.mark.whole

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]


@pytest.mark.timeout(600)
# The client asks for an event loop as Python 3.12 would have it leave, and leaves its sockets to the kernel's end.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_the_notebooks_train_a_model_serve_it_and_bring_it_to_the_edge(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NOTEBOOK_OUT", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    said = ""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(ROOT)}}).execute()
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        assert [output for output in outputs if "image/png" in output.get("data", {})]
        said += "".join(output.get("text", "") for output in outputs)
    answered, sent, equal = map(int, re.search(r"(\d+) of (\d+) answered, (\d+) as the service", said).groups())
    assert answered == sent == equal
    assert float(re.search(r"macro-F1 ([\d.]+)", said)[1]) > 0.6

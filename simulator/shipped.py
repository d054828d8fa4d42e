"""Files that ship with the code: the deployment's templates with its modules' descriptions, and models."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "files"
FOLDER = _INSTALLED if _INSTALLED.exists() else Path(__file__).parent.parent
"""At the top of a checkout; in an installed wheel, in the package."""

TEMPLATE = FOLDER / "deployment.template.json"
ARCHIVE_TEMPLATE = FOLDER / "deployment.archive.template.json"
"""The same with avrowriter, which keeps readings with their predictions."""
MODELS = FOLDER / "models"

"""The bill of materials of what Python runs in an image, as CycloneDX: `bill.py FOLDER OUT [VERSION MODELS]`.

cyclonedx-py tells what is installed in the folder, with licences and what needs what. With a version and a folder of
models, turbofan-edge itself is added as what needs all of it, and its models with their sums.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

_NAME = "turbofan-edge"


def installed(folder: Path) -> dict[str, Any]:
    """The bill of the packages in a folder; none of their code is run."""
    with tempfile.TemporaryDirectory() as scratch:
        # cyclonedx-py asks an interpreter for its path; the image's may be for another processor.
        interpreter = Path(scratch, "python3")
        interpreter.write_text(f"#!/bin/sh\necho '{json.dumps([str(folder)])}'\n")
        interpreter.chmod(0o700)
        command = ["cyclonedx-py", "environment", "--output-reproducible", str(interpreter)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
    bill: dict[str, Any] = json.loads(made.stdout)
    # A licence that is neither in SPDX's list nor a text, such as PySocks's `BSD`, is passed over there.
    declared = {each.name: each.metadata.get("License") for each in distributions(path=[str(folder)])}
    for each in bill["components"]:
        if not each.get("licenses") and declared.get(each["name"]):
            each["licenses"] = [{"license": {"name": declared[each["name"]]}}]
    return bill


def add_application(bill: dict[str, Any], version: str, models: Path) -> None:
    """Add turbofan-edge, which needs all that nothing else in the bill needs, and its models."""
    reference = f"{_NAME}=={version}"
    licence = [{"license": {"id": "MIT"}}]
    application = {"bom-ref": reference, "type": "application", "name": _NAME, "version": version, "licenses": licence}
    bill["metadata"]["component"] = application
    found = []
    for path in sorted(models.glob("*.onnx")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(
            {
                "bom-ref": f"model:{path.stem}",
                "type": "machine-learning-model",
                "name": path.stem,
                # As predictions and reports name it.
                "version": digest[:12],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": licence,
            }
        )
    needed = {each for edges in bill.setdefault("dependencies", []) for each in edges.get("dependsOn", ())}
    first = [each["bom-ref"] for each in bill["components"] if each["bom-ref"] not in needed]
    names = [each["bom-ref"] for each in found]
    bill["components"] += found
    bill["dependencies"] += [{"ref": name} for name in names]
    bill["dependencies"].append({"ref": reference, "dependsOn": sorted([*first, *names])})


def main(folder: str, out: str, version: str = "", models: str = "") -> None:
    """Write the bill."""
    bill = installed(Path(folder))
    if version:
        add_application(bill, version, Path(models))
    Path(out).write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

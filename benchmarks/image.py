"""What an image's module takes to start: `python -m benchmarks.image localhost/turbofan-edge:0.1.0-arm32v7`.

Runs in the image, by podman: loads the default model with everything that rulclassifier imports, fills the histories of
200 engines, scores each once, and prints the seconds of the load and the resident memory. Under qemu both hold the
emulator's share.
"""

import argparse
import subprocess

SCRIPT = """
import os, time
import numpy as np
import modules.rulclassifier.main
from pathlib import Path
from modules.edge.memory import give_back
from scoring.classifier import Classifier
from scoring.model import Model
from scoring.telemetry import Telemetry
start = time.perf_counter()
model = Model.load(Path(os.environ["MODEL_PATH"]))
print(f"load {time.perf_counter() - start:.2f} s")
give_back()
classifier = Classifier(model)
values = np.ones(25, dtype=np.float32)
for cycle in range(1, 51):
    for engine in range(200):
        classifier.history.insert(Telemetry(f"Client_{engine}", cycle, values), np.empty((50, 25), dtype=np.float32))
start = time.perf_counter()
for engine in range(200):
    classifier.score([Telemetry(f"Client_{engine}", 51, values)])
print(f"one window {(time.perf_counter() - start) / 200 * 1e3:.2f} ms")
status = Path("/proc/self/status").read_text()
print(f"resident {int(status.split('VmRSS:')[1].split()[0]) / 1024:.0f} MB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    image = parser.parse_args().image
    subprocess.run(
        ["podman", "run", "--rm", "--network", "none", "--read-only", image, "python3", "-c", SCRIPT], check=True
    )


if __name__ == "__main__":
    main()

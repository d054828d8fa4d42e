"""What an image's module takes to start: `python -m benchmarks.image localhost/turbofan-edge:0.1.0-arm32v7`.

Runs in the image, by podman: loads the default model with everything that rulclassifier imports, fills the histories of
200 engines, scores each once, and prints the seconds of the load and the resident memory. Under qemu the memory is told
twice: with the emulator and the code that it has translated, and without, which is what the program itself holds.
"""

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

SCRIPT = """
import os, time
import numpy as np
import modules.rulclassifier.main
from pathlib import Path
from modules.edge.host.memory import give_back
from scoring.predictions.classifier import Classifier
from scoring.model.model import Model
from scoring.telemetry.record import Telemetry
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
print("ready", flush=True)
input()
"""

# qemu lends a 32-bit program one stretch of addresses, and holds its own memory elsewhere.
_ADDRESSES = 1 << 32
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)")


def mappings(process: int) -> Iterator[tuple[int, int, str, int]]:
    """What a process has in memory: first address, the one behind the last, file, resident kB."""
    lines = Path(f"/proc/{process}/smaps").read_text().splitlines()
    for line in lines:
        if found := _MAPPING.fullmatch(line):
            start, end, path = int(found[1], 16), int(found[2], 16), found[3]
        elif line.startswith("Rss:"):
            yield start, end, path, int(line.split()[1])


def resident(process: int) -> tuple[float, float | None]:
    """A process's resident MB, and without its emulator; None where it has none."""
    found = list(mappings(process))
    total = sum(kilobytes for *_, kilobytes in found) / 1024
    if "qemu" not in Path(f"/proc/{process}/exe").readlink().name:
        return total, None
    # The stretch is mapped without gaps, and the program's libraries lie in it.
    gaps = [number for number, (one, other) in enumerate(pairwise(found), start=1) if one[1] != other[0]]
    stretches = [found[start:end] for start, end in pairwise([0, *gaps, len(found)])]
    own = [each for each in stretches if any("libpython" in path or "/python3" in path for *_, path, _ in each)]
    within = [mapping for each in own for mapping in each]
    if not within or within[-1][1] - within[0][0] > _ADDRESSES:
        raise RuntimeError("the program's memory cannot be told from the emulator's")
    return total, sum(kilobytes for *_, kilobytes in within) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    image = parser.parse_args().image
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "container"
        options = ["--rm", "--interactive", "--cidfile", str(name), "--network", "none", "--read-only"]
        command = ["podman", "run", *options, image, "python3", "-c", SCRIPT]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout:
                if line == "ready\n":
                    break
                print(line, end="")
            inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", name.read_text()]
            process = int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
            total, own = resident(process)
            print(f"resident {total:.0f} MB" + (f", of which the emulator's {total - own:.0f} MB" if own else ""))
            running.stdin.write("\n")


if __name__ == "__main__":
    main()

"""What a power cut leaves of the journal.

A file system in a file shows it: what a process wrote and the kernel has not yet brought to the disk is not in that
file. A copy of it, taken while the process runs, is what the disk would hold after a power cut at that moment.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modules.edge.journal import Durability, Journal
from modules.rulclassifier.tables import TABLES

MEGABYTES = 64
MESSAGES = 300

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None,
    reason="needs root, loop devices and mkfs.ext4: run as root with `apt-get install e2fsprogs`",
)


class Disk:
    """An ext4 file system in a file, mounted; `power_cut` gives it as it stands on the medium."""

    def __init__(self, folder: Path, name: str, image: Path | None = None) -> None:
        self.image = folder / f"{name}.img"
        self.mount = folder / name
        self.mount.mkdir()
        if image is None:
            with self.image.open("wb") as file:
                file.truncate(MEGABYTES * 1024 * 1024)
            # No write-back by itself while the test runs: the journal of the file system commits after an hour.
            subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        else:
            shutil.copyfile(image, self.image)

    def __enter__(self) -> Path:
        subprocess.run(["mount", "-o", "loop,commit=3600", self.image, self.mount], check=True)
        return self.mount

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.mount], check=True)


PROGRAM = """
import sys
from pathlib import Path
from modules.edge.journal import Durability, Journal
from modules.rulclassifier.tables import TABLES
journal = Journal(Path(sys.argv[1]), 10_000_000, Durability(sys.argv[2]), own=TABLES)
for number in range(int(sys.argv[3])):
    assert journal.accept(f"devices/d/modules/m/inputs/telemetry/%24.mid={number}", b"body")
    print(number, flush=True)
sys.stdin.read()
"""


def acknowledged_and_found(folder: Path, durability: Durability) -> tuple[int, int]:
    """How many messages could be acknowledged before the power cut, and how many the journal holds after it."""
    with Disk(folder, "before") as mount:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(mount / "journal.sqlite3"), durability.value, str(MESSAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        acknowledged = sum(1 for _ in zip(range(MESSAGES), process.stdout, strict=False))
        cut = folder / "cut.img"
        shutil.copyfile(folder / "before.img", cut)
        process.communicate()
    with Disk(folder, "after", cut) as mount:
        path = mount / "journal.sqlite3"
        if not path.exists():
            return acknowledged, 0
        journal = Journal(path, 10_000_000, own=TABLES)
        found = journal.inbox_entries
        journal.close()
    return acknowledged, found


def test_with_power_durability_no_acknowledged_message_is_lost_in_a_power_cut(tmp_path) -> None:
    acknowledged, found = acknowledged_and_found(tmp_path, Durability.POWER)
    assert (acknowledged, found) == (MESSAGES, MESSAGES)


def test_with_process_durability_a_power_cut_may_take_the_last_messages(tmp_path) -> None:
    """Shows that the test above would see a loss."""
    acknowledged, found = acknowledged_and_found(tmp_path, Durability.PROCESS)
    assert acknowledged == MESSAGES
    assert found < MESSAGES

"""What avrowriter has kept, for tests."""

import asyncio
import time
from pathlib import Path

import fastavro

from tests.waiting import PATIENCE


async def archived(folder: Path, count: int, seconds: float = PATIENCE) -> list[dict]:
    """All records of an archive, those of the growing file too, once there are as many."""
    end = time.monotonic() + seconds
    while len(found := _records(folder)) < count:
        assert time.monotonic() < end, f"{folder} has {len(found)} of {count} records after {seconds:g} s"
        # Seldom: all of it is read each time.
        await asyncio.sleep(0.5)
    return found


def _records(folder: Path) -> list[dict]:
    found = []
    for path in sorted(folder.rglob("*.avro*")):
        # In the middle of a block that is being written, or of the file's change of name.
        try:
            with path.open("rb") as file:
                found += list(fastavro.reader(file))
        except (EOFError, ValueError, FileNotFoundError):
            return []
    return found

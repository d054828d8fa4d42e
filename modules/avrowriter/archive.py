"""The folder of Avro files: one that grows, and those that are whole.

A file grows under the name `YYYY/MM/DD/HH/mm.avro.part`, in UTC, and loses the `.part` when its minutes are over:
whoever collects files finds whole ones only. How much of it is settled, the journal knows, by the same transaction in
which the messages leave the inbox; what a kill has left behind that is cut off, since those messages are still there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import avro.datafile
import avro.io
import avro.schema

from modules.avrowriter.blocks import NoHeaderError, whole_parts
from modules.avrowriter.records import Record

log = logging.getLogger(__name__)

GROWING = ".part"
BROKEN = ".broken"
CODEC = "deflate"
"""Every reader knows it."""


class Settled(NamedTuple):
    """How much of a growing file is for good.

    Attributes:
        name: The file's, below the folder, without `.part`.
        length: In bytes.
    """

    name: str
    length: int


class ArchiveFullError(Exception):
    """The folder holds as much as it may."""


class Archive:
    """Avro files in a folder, by the minutes in which they were begun."""

    def __init__(  # noqa: PLR0913 - what a folder of files is
        self,
        folder: Path,
        schema: avro.schema.Schema,
        minutes: int,
        limit: int,
        *,
        survives_power: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is written before `append`.

        Args:
            folder: Where the files are; made when it is needed.
            schema: Of a record.
            minutes: How long a file grows.
            limit: How many bytes all files may take together.
            survives_power: What is appended is on the disk itself before `append` returns.
            now: The time, in seconds since 1970.
        """
        self.limit = limit
        self.bytes = 0
        """What all files take."""
        self.files = 0
        """How many there are, the growing one included."""
        self.finished = 0
        """How many were made whole since the start."""
        self._folder = folder
        self._schema = schema
        self._seconds = minutes * 60
        self._survives_power = survives_power
        self._now = now
        self._settled: Settled | None = None
        self._last = ""
        self._file: BinaryIO | None = None
        self._writer: avro.datafile.DataFileWriter | None = None
        self._begun = 0
        self.look()

    def recover(self, settled: Settled | None) -> None:
        """Make whole what an earlier process left growing.

        Args:
            settled: What the journal says of it. Of what it does not name nothing was settled. None: the journal is
                new, or was lost, and knows nothing: all whole blocks are kept.

        Raises:
            OSError: The disk does not take it.
        """
        self._last = settled.name if settled else ""
        for path in [each for each in self._all() if each.name.endswith(GROWING)]:
            name = self._name(path)
            self._mend(path, None if settled is None else settled.length if settled.name == name else 0)
        self.look()

    def append(self, records: Sequence[Record]) -> Settled:
        """Append records, and tell how much of which file is to be settled with their messages.

        Raises:
            ArchiveFullError: There is no room.
            OSError: The disk does not take it; nothing was appended.
        """
        self.finish_if_due()
        if self.bytes >= self.limit:
            self.look()
            if self.bytes >= self.limit:
                raise ArchiveFullError(
                    f"the archive holds {self.bytes} bytes, and may hold {self.limit}; collect its files"
                )
        if self._settled is None:
            self._begun = self._minutes()
            self._settled = Settled(self._free_name(self._begun), 0)
        try:
            length = self._written(self._settled, records)
        except BaseException:
            self.close()
            raise
        self.bytes += length - self._settled.length
        self._settled = Settled(self._settled.name, length)
        return self._settled

    def finish_if_due(self) -> None:
        """Make the growing file whole if its minutes are over.

        Raises:
            OSError: The disk does not take it.
        """
        if self._settled is not None and self._minutes() != self._begun:
            self.finish()

    def finish(self) -> None:
        """Make the growing file whole, if there is one.

        Raises:
            OSError: The disk does not take it.
        """
        self.close()
        if self._settled is not None:
            self._mend(self._path(self._settled.name), self._settled.length)
            self._last, self._settled = self._settled.name, None
            self.look()

    def look(self) -> None:
        """See what is there: whoever collects files does not say so."""
        sizes = []
        for each in self._all():
            # Gone since.
            with contextlib.suppress(FileNotFoundError):
                sizes.append(each.stat().st_size)
        self.bytes, self.files = sum(sizes), len(sizes)

    def _minutes(self) -> int:
        """The beginning of the minutes that are now, in seconds since 1970."""
        return int(self._now()) // self._seconds * self._seconds

    def _written(self, settled: Settled, records: Sequence[Record]) -> int:
        """Append to the growing file, and give its length."""
        if self._writer is None or self._file is None:
            self._file, self._writer = self._opened(settled)
        for each in records:
            self._writer.append(each)
        self._writer.flush()
        if self._survives_power:
            os.fsync(self._file.fileno())
        return self._file.tell()

    def _opened(self, settled: Settled) -> tuple[BinaryIO, avro.datafile.DataFileWriter]:
        """The growing file, without what was not settled."""
        path = self._path(settled.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not settled.length:
            file: BinaryIO = path.open("wb")
            return file, avro.datafile.DataFileWriter(file, avro.io.DatumWriter(), self._schema, CODEC)
        os.truncate(path, settled.length)
        file = path.open("r+b")
        return file, avro.datafile.DataFileWriter(file, avro.io.DatumWriter())

    def close(self) -> None:
        """Leave the growing file as it is; the next process goes on from what is settled."""
        file, self._file, self._writer = self._file, None, None
        if file is not None:
            # Closing flushes again what the disk has refused.
            with contextlib.suppress(OSError):
                file.close()

    def _mend(self, path: Path, settled: int | None) -> None:
        """Give a file that has grown its name, without what was not settled; one without a record goes."""
        if settled == 0:
            path.unlink(missing_ok=True)
            return
        whole = path.with_name(path.name.removesuffix(GROWING))
        try:
            header, end = whole_parts(path)
            if settled is not None and settled > end:
                log.error("%s has lost %d settled bytes, as a power cut can take them", path, settled - end)
            kept = end if settled is None else min(settled, end)
            os.truncate(path, kept)
        except NoHeaderError as error:
            header, kept = 0, path.stat().st_size
            if kept:
                whole = whole.with_name(whole.name + BROKEN)
                log.error("%s is no Avro file (%s); it is kept as %s", path, error, whole.name)
        if kept <= header:
            path.unlink()
            return
        if self._survives_power:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        path.rename(whole)
        self.finished += 1

    def _free_name(self, begun: int) -> str:
        """A name that no file has, nor the last one had, which may have been collected since.

        Of the same minutes there are several after a restart.
        """
        stem = datetime.fromtimestamp(begun, UTC).strftime("%Y/%m/%d/%H/%M")
        folder = self._folder / Path(stem).parent
        taken = {each.name.partition(".")[0] for each in folder.iterdir()} if folder.is_dir() else set()
        last, _, repeated = self._last.removesuffix(".avro").partition("_")
        number = int(repeated or 1) + 1 if last == stem else 1
        while Path(_numbered(stem, number)).name in taken:
            number += 1
        return f"{_numbered(stem, number)}.avro"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{GROWING}"

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix().removesuffix(GROWING)

    def _all(self) -> Iterator[Path]:
        return (each for each in self._folder.rglob("*.avro*") if each.is_file())


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number:02d}"

"""The files that are to be scored, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from scoring.batch.entry import BatchError, Entry
from scoring.batch.formats import reader
from scoring.batch.store import Store, StoreError
from scoring.errors import TableError
from scoring.wire.items import ItemParser

# A capture's folder has a file for each minute; a million are two years.
_MAX_FILES = 1_000_000


@dataclass(frozen=True, slots=True)
class Input:
    """One file.

    Attributes:
        path: Where it is, as fsspec names it.
        size: Its size in bytes.
        version: What its place tells of its age, by which a changed file is known.
    """

    path: str
    size: int
    version: str


class Inputs:
    """Files in the order of their names: one, all that a pattern names, or all below a folder.

    Attributes:
        files: The files.
        empty: The paths of those that have been read and hold no message, as keys.
    """

    def __init__(self, url: str) -> None:
        """Find the files.

        Raises:
            BatchError: There are none, or one has a name that belongs to no format.
        """
        self._store = Store(url)
        details = self._store.find()
        self.files = [_input(each) for each in details if each["type"] == "file"][:_MAX_FILES]
        self.empty: dict[str, None] = {}
        if not self.files:
            raise BatchError(f"{url} names no file")
        for each in self.files:
            reader(self._store.url(each.path))

    def describe(self) -> list[dict[str, Any]]:
        """The files as JSON, by which a run that goes on knows that they are the same."""
        return [asdict(each) for each in self.files]

    def entries(self, parser: ItemParser) -> Iterator[tuple[str, Entry]]:
        """All messages with the path of their file, one file after the other.

        Raises:
            BatchError: A file cannot be read.
        """
        for each in self.files:
            entry = None
            path = self._store.url(each.path)
            try:
                with self._store.reading(each.path) as file:
                    for entry in reader(each.path)(file, parser):
                        yield path, entry
            except StoreError:
                raise
            except (BatchError, TableError) as error:
                raise BatchError(f"{path}: {error}") from error
            if entry is None:
                self.empty[path] = None


def _input(details: dict[str, Any]) -> Input:
    version = next((str(details[key]) for key in ("mtime", "ETag", "etag", "LastModified") if key in details), "")
    return Input(str(details["name"]), int(details["size"] or 0), version)

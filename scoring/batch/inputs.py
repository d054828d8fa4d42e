"""The files that are to be scored, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import fsspec

from scoring.batch.entry import BatchError, Entry
from scoring.batch.formats import reader
from scoring.items import ItemParser

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
    """Files in the order of their names: one, all that a pattern names, or all below a folder."""

    def __init__(self, url: str) -> None:
        """Find the files.

        Raises:
            BatchError: There are none, or one has a name that belongs to no format.
        """
        try:
            self._files, path = fsspec.core.url_to_fs(url)
            found = self._files.expand_path(path, recursive=True) if "*" in path or self._files.isdir(path) else [path]
            details = [self._files.info(each) for each in sorted(found)]
        except (OSError, ValueError, ImportError) as error:
            raise BatchError(f"{url} cannot be read: {error or type(error).__name__}") from error
        self.files = [_input(each) for each in details if each["type"] == "file"][:_MAX_FILES]
        if not self.files:
            raise BatchError(f"{url} names no file")
        for each in self.files:
            reader(each.path)

    def describe(self) -> list[dict[str, Any]]:
        """The files as JSON, by which a run that goes on knows that they are the same."""
        return [asdict(each) for each in self.files]

    def entries(self, parser: ItemParser) -> Iterator[tuple[str, Entry]]:
        """All messages with the path of their file, one file after the other.

        Raises:
            BatchError: A file cannot be read.
        """
        for each in self.files:
            try:
                with self._files.open(each.path, "rb", compression="infer") as file:
                    for entry in reader(each.path)(file, parser):
                        yield each.path, entry
            except (OSError, EOFError, BatchError) as error:
                raise BatchError(f"{each.path}: {error}") from error


def _input(details: dict[str, Any]) -> Input:
    version = next((str(details[key]) for key in ("mtime", "ETag", "etag", "LastModified") if key in details), "")
    return Input(str(details["name"]), int(details["size"] or 0), version)

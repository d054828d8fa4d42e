"""Where files are kept: this machine, or any place that fsspec knows. All that fails there is one kind of error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import fsspec

from scoring.batch.entry import BatchError, in_one_line
from scoring.model.file import MAX_MODEL_BYTES
from scoring.model.model import Model

# Readers ask for lines and small pieces, and a place far away is better asked for few large ones.
_BUFFER_BYTES = 1024 * 1024
# Some repeat the whole answer of a server.
_MAX_SAID = 400


class StoreError(BatchError):
    """A place of files cannot be reached, or what is wanted there cannot be done."""


class Store:
    """The file system of one place.

    Attributes:
        path: What was asked for, as the place itself names it.
    """

    def __init__(self, url: str) -> None:
        """Find the place that a path or URL belongs to; nothing is asked there.

        Raises:
            StoreError: No package that is installed knows it.
        """
        with _told(f"{url} cannot be reached"):
            self._files, path = fsspec.core.url_to_fs(url)
        self.path = str(path)
        # What users see is named as they gave it.
        self._given = url
        self._scheme = url.partition("://")[0] + "://" if "://" in url else ""

    def url(self, path: str) -> str:
        """A path as users would give it."""
        if not self._scheme:
            return path
        return self._given if path == self.path else f"{self._scheme}{path}"

    def find(self) -> list[dict[str, Any]]:
        """What is known of the files that the path stands for: itself, all that its pattern names, or all below it.

        Raises:
            StoreError: The place cannot be reached, or there is no such file.
        """
        path = self.path
        with _told(f"{self._given} cannot be read"):
            several = "*" in path or self._files.isdir(path)
            try:
                found = self._files.expand_path(path, recursive=True) if several else [path]
            except FileNotFoundError as error:
                # All that fsspec says is "[]".
                raise StoreError(f"{self._given} names no file") from error
            return [self._files.info(each) for each in sorted(found)]

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder.

        Raises:
            StoreError: The place cannot be reached.
        """
        with _told(f"{self.url(path)} cannot be read"):
            return bool(self._files.exists(path))

    def read(self, path: str, most: int | None = None) -> bytes:
        """A whole file, or its beginning.

        Raises:
            StoreError: It cannot be read.
        """
        with _told(f"{self.url(path)} cannot be read"):
            return cast("bytes", self._files.cat_file(path, end=most))

    def put(self, path: str, content: bytes) -> None:
        """Write a file that is there whole or not at all.

        Raises:
            StoreError: It cannot be written.
        """
        with _told(f"{self.url(path)} cannot be written"):
            self._files.pipe_file(f"{path}.new", content)
            self._files.mv(f"{path}.new", path)

    def make_folder(self, path: str) -> None:
        """Make a folder where there is none.

        Raises:
            StoreError: It cannot be made.
        """
        with _told(f"{self.url(path)} cannot be made"):
            self._files.makedirs(path, exist_ok=True)

    def move(self, path: str, to: str) -> None:
        """Give a file another name.

        Raises:
            StoreError: It cannot be moved.
        """
        with _told(f"{self.url(to)} cannot be written"):
            self._files.mv(path, to)

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it.

        Raises:
            StoreError: It cannot be removed.
        """
        with _told(f"{self.url(folder)} cannot be removed"):
            self._files.rm(folder, recursive=True)

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """A file, inflated if its name says that it is compressed.

        Raises:
            StoreError: It cannot be opened; reading raises it as well.
        """
        with self._opened(path, "rb", "infer") as opened, io.BufferedReader(opened, _BUFFER_BYTES) as file:
            yield file

    @contextmanager
    def writing(self, path: str, compression: str | None = None) -> Iterator[BinaryIO]:
        """A new file, compressed if so told; it need not be there before the context's end.

        Raises:
            StoreError: It cannot be opened; writing and the context's end raise it as well.
        """
        with self._opened(path, "wb", compression) as opened, io.BufferedWriter(opened, _BUFFER_BYTES) as file:
            yield cast("BinaryIO", file)

    @contextmanager
    def _opened(self, path: str, mode: Literal["rb", "wb"], compression: str | None) -> Iterator[_File]:
        told = f"{self.url(path)} cannot be {'read' if mode == 'rb' else 'written'}"
        with _told(told):
            file = _File(self._files.open(path, mode, compression=compression), told)
        with file:
            yield file


class _File(io.RawIOBase):
    """A place's own file, of which reading, writing and closing may fail in the place's own way."""

    def __init__(self, file: Any, told: str) -> None:  # noqa: ANN401 - fsspec has no types
        self._file = file
        self._error = told

    def readable(self) -> bool:
        return bool(self._file.readable())

    def writable(self) -> bool:
        return bool(self._file.writable())

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        with _told(self._error):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def write(self, content: Any) -> int:  # noqa: ANN401 - any buffer
        with _told(self._error):
            return int(self._file.write(bytes(content)))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _told(self._error):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            super().close()
            with _told(self._error):
                self._file.close()


def load_model(url: str) -> Model:
    """Load a model from a path or URL.

    Raises:
        StoreError: It cannot be read.
        ModelError: It cannot be served.
    """
    if "://" not in url:
        return Model.load(Path(url))
    store = Store(url)
    # One byte more than may be, by which a longer file is known.
    return Model(store.read(store.path, MAX_MODEL_BYTES + 1), url)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Make one error of whatever a place raises.

    Raises:
        StoreError: The place has raised an error.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        # Each place has errors of its own, of packages that need not be installed.
        # A server's whole answer follows, which says the same again.
        told = in_one_line(error).partition(" Content: <")[0]
        raise StoreError(f"{what}: {told if len(told) <= _MAX_SAID else told[:_MAX_SAID] + ' ...'}") from error

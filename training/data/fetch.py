"""Brings NASA's C-MAPSS data: a zip over HTTP, resumed where it broke off, checked by its sums."""

from __future__ import annotations

import hashlib
import io
import struct
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO

from training.errors import FetchError
from training.output import write_whole

URL = "https://phm-datasets.s3.amazonaws.com/NASA/6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip"

SHA256 = {
    "train_FD001.txt": "963b5e22825b34d8b21c69e1aeb4af3e647050eb672ee8834ba4b5d91d2de0f8",
    "train_FD002.txt": "dac6c4dbc4e7c1bdeb5747da3d313d05c395bb99801b44a002b26a2ba13d788f",
    "train_FD003.txt": "2abbe9968cc5e8eb091980f51b20f62bb4127336d3482cb52071d53bf23329e2",
    "train_FD004.txt": "27ef6160b6a1dcb2613a88de9c239f763b223f02cdc41dc5cdedc5dc189b6218",
    "test_FD001.txt": "3cda7109ce17bafb5443f2ac926cfcf88154b941b8c4cf95eb55d1ddd6f52851",
    "test_FD002.txt": "de7b5bf7e998a985c378488480528b7c02cff1406a46740def362dda8d9b4e02",
    "test_FD003.txt": "299babd63c8d987cef079c4a425429f33b3a34797d803bbe2ad48c29dbd0d790",
    "test_FD004.txt": "1dc675fff0624bac10786927c6715b37d1297657137400d2b1a3138d777a3ba5",
    "RUL_FD001.txt": "a19c8ec94931949d0485bdc35118206e9c81c4547b422efb9cf86f4ceddbceca",
    "RUL_FD002.txt": "c851dd96a6ea6998d3c4a8f834d3c8013aa90e93a6ed950dc826ad0655b2906b",
    "RUL_FD003.txt": "df1e0566306b174a2de41c67a3e7a51877889598b78643fc3e5685259091b7cb",
    "RUL_FD004.txt": "196b836b85a95ac7fdbbf29c5fdf1657382eafa445644d114ffaaf50dc2975e1",
}
"""Of the texts, as many projects publish them."""

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and how many there will be, where the server says so."""

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30
# The zip holds 45 MB of text; what unpacks to much more is not it.
_LARGEST_MEMBER = 64 * 1024 * 1024
_DEEPEST = 3
# Eight times what NASA's has.
_LARGEST_DOWNLOAD = 100_000_000
# Whatever zipfile raises at bytes that are not what they should be.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    struct.error,
)


def fetch(directory: Path, url: str, progress: Progress, sums: dict[str, str] | None = None) -> list[Path]:
    """Bring the texts of the data sets into a directory; those that are there and right are not brought again.

    A download that broke off is resumed: what came so far lies beside as cmapss.zip.part.

    Args:
        directory: Where the texts go; it is made if need be.
        url: Of the zip; zips inside it are looked into.
        progress: Is told the bytes as they come.
        sums: SHA-256 of each text to bring, by its name; None: those of C-MAPSS.

    Returns:
        The paths of the texts.

    Raises:
        FetchError: The server does not answer, or what it sends is not the data.
    """
    sums = SHA256 if sums is None else sums
    paths = [directory / name for name in sums]
    if all(path.is_file() and _sha256(path.read_bytes()) == sums[path.name] for path in paths):
        return paths
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / "cmapss.zip.part"
    _download(url, part, progress)
    try:
        texts = _texts(part.read_bytes(), set(sums))
    except _DAMAGED as error:
        # The next try begins anew.
        part.unlink()
        told = " ".join(str(error).split()) or type(error).__name__
        raise FetchError(f"{url} is no zip file, or a damaged one ({told}); give another address by --url") from error
    for name, expected in sums.items():
        found = _sha256(texts[name]) if name in texts else "nothing"
        if found != expected:
            part.unlink()
            raise FetchError(
                f"{url} holds {name} with SHA-256 {found}, expected {expected}; give another address by --url"
            )
    for path in paths:
        write_whole(path, texts[path.name])
    part.unlink()
    return paths


def _download(url: str, part: Path, progress: Progress) -> None:
    if not url.startswith(("http://", "https://")):
        raise FetchError(f"the address {url!r} is neither http:// nor https://; give another by --url")
    have = part.stat().st_size if part.exists() else 0
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                have = 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            have = _receive(answer, part, have, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return
        raise FetchError(f"{url} answers {error.code} {error.reason}; give another address by --url") from error
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(
            f"{url} cannot be read ({error}); run the command again to resume, give another address by --url, put the "
            f"texts of C-MAPSS into {part.parent} by hand, or simulate engines: "
            f"`python -m simulator engines --out {part.parent}`"
        ) from error
    if have > _LARGEST_DOWNLOAD:
        part.unlink()
        raise FetchError(
            f"{url} sends more than {_LARGEST_DOWNLOAD // 1_000_000} MB, which is not C-MAPSS; give another by --url"
        )
    if total is not None and have < total:
        raise FetchError(f"{url} broke off after {have} of {total} bytes; run the command again to resume")


def _receive(answer: IO[bytes], part: Path, have: int, total: int | None, progress: Progress) -> int:
    """Add what comes to a file, until its end or until it is too much; how many bytes there are then."""
    with part.open("ab" if have else "wb") as file:
        while have <= _LARGEST_DOWNLOAD and (chunk := answer.read(_CHUNK)):
            file.write(chunk)
            have += len(chunk)
            progress(have, total)
    return have


def _texts(content: bytes, names: set[str], depth: int = 0) -> dict[str, bytes]:
    """The texts of these names in a zip, and in the zips inside it."""
    texts: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            name = PurePosixPath(member.filename).name
            if member.file_size > _LARGEST_MEMBER:
                continue
            if name in names:
                texts[name] = archive.read(member)
            elif name.endswith(".zip") and depth < _DEEPEST:
                texts |= _texts(archive.read(member), names, depth + 1)
    return texts


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

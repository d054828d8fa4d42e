"""A model's file as bytes: whether it is whole and what it says of itself, before onnxruntime sees any of it.

An ONNX file is one protobuf message. Its outermost fields are read here, and the graph within is passed over, so that
this takes a millisecond for a file of some megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scoring.errors import ModelError, SignatureError
from scoring.model.signature import SIGNATURE_KEY, Signature

DIGEST_KEY = "turbofan.digest"
"""Metadata key of the SHA-256, in hexadecimal, of all bytes of the file but this value's own."""

# Shipped models have a few MB; on a 32-bit gateway one of 25 MB takes minutes to load.
MAX_MODEL_BYTES = 64 * 1024 * 1024
# Ours have four entries; golden windows and the drift reference are the largest, with some 100 kB each.
MAX_ENTRIES = 32
MAX_KEY_BYTES = 256
MAX_METADATA_BYTES = 8 * 1024 * 1024
# The message itself has some ten fields, and one for each set of operators and each entry of metadata.
MAX_MESSAGE_FIELDS = 1_000

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Whose operators every build of onnxruntime has."""

# Numbers of fields: of ModelProto, OperatorSetIdProto and StringStringEntryProto.
_OPERATORS, _METADATA = 8, 14
_DOMAIN = 1
_KEY, _VALUE = 1, 2

# Wire types of protobuf.
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BITS = 64
_SIZES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}

# The entry of a tensor that says in which other file its values are.
_EXTERNAL = b"\x0a\x08location\x12"
_HEXADECIMAL_DIGITS = 64


@dataclass(frozen=True)
class ModelFile:
    """What a file says besides its graph.

    Attributes:
        metadata: By key.
        is_sealed: Whether it has a digest, which is then right.
    """

    metadata: dict[str, str]
    is_sealed: bool

    @classmethod
    def read(cls, content: bytes, origin: str) -> ModelFile:
        """Read the outermost fields of a file.

        Args:
            content: The file's bytes.
            origin: Its name in errors.

        Raises:
            ModelError: It is too large, damaged, or no ONNX file; its metadata are too many or too large; it needs
                other files, or operators that are not ONNX's.
        """
        if len(content) > MAX_MODEL_BYTES:
            raise ModelError(f"{origin} is larger than {MAX_MODEL_BYTES} bytes, which are as many as are loaded")
        try:
            entries, domains = _read(content)
        except ValueError as error:
            raise ModelError(
                f"{origin} is no ONNX file, or a damaged one ({error}); copy or export it again"
            ) from error
        metadata = {key: value for key, value, _, _ in entries}
        if len(metadata) != len(entries):
            raise ModelError(f"{origin} has metadata of the same key twice; export it again")
        digests = [(start, end) for key, _, start, end in entries if key == DIGEST_KEY]
        for start, end in digests:
            if _digest(content, start, end).encode() != content[start:end]:
                raise ModelError(
                    f"{origin} is damaged, or was changed after export: its SHA-256 is not the one that it carries; "
                    "copy or export it again"
                )
        if foreign := sorted(domains - DOMAINS):
            raise ModelError(
                f"{origin} needs operators of {', '.join(map(repr, foreign))}; devices have ONNX's own only: "
                "export it without custom operators"
            )
        if _EXTERNAL in content:
            raise ModelError(
                f"{origin} has values in other files (external data); save it as one file, as onnx.save does with what "
                "onnx.load has read"
            )
        return cls(metadata, bool(digests))

    def signature(self, origin: str) -> Signature:
        """What the model says of itself.

        Raises:
            ModelError: The file has no signature, or none that this version can serve.
        """
        try:
            return Signature.from_json(self.metadata[SIGNATURE_KEY])
        except KeyError as error:
            raise ModelError(lacks(SIGNATURE_KEY, origin)) from error
        except SignatureError as error:
            raise SignatureError(f"{origin}: {error}") from error


def lacks(key: str, origin: str) -> str:
    """What is said of a file without an entry that `python -m training` writes."""
    return f"{origin} has no {key} in its metadata; export it with `python -m training`"


def content_of(path: Path) -> bytes:
    """A model file's bytes, of one that is too large no more than shows it.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}") from error


def read_signature(path: Path) -> Signature:
    """What a model file says of itself; the model is not loaded.

    Raises:
        ModelError: The file cannot be read, is damaged, or has no servable signature.
    """
    return ModelFile.read(content_of(path), str(path)).signature(str(path))


def sealed(content: bytes) -> bytes:
    """The same file with a digest of all that it holds, in place of an older one."""
    for key, _, start, end in _read(content)[0]:
        if key == DIGEST_KEY:
            content = content[: start - len(_digest_entry())] + content[end:]
    content += _digest_entry()
    return content + _digest(content, len(content), len(content)).encode()


def _digest(content: bytes, start: int, end: int) -> str:
    """Of all bytes but those from `start` to `end`."""
    view = memoryview(content)
    found = hashlib.sha256(view[:start])
    found.update(view[end:])
    return found.hexdigest()


def _digest_entry() -> bytes:
    """The bytes of the digest's entry that stand before its value."""
    key = DIGEST_KEY.encode()
    inner = bytes([_KEY << 3 | _BYTES, len(key)]) + key + bytes([_VALUE << 3 | _BYTES, _HEXADECIMAL_DIGITS])
    return bytes([_METADATA << 3 | _BYTES, len(inner) + _HEXADECIMAL_DIGITS]) + inner


def _read(content: bytes) -> tuple[list[tuple[str, str, int, int]], set[str]]:
    """Key, value, and where the value begins and ends, of each entry; and the domains of operators.

    Raises:
        ValueError: It is no protobuf message of this kind, or has more than is read.
    """
    entries: list[tuple[str, str, int, int]] = []
    domains: set[str] = set()
    size = 0
    for count, (number, start, end) in enumerate(_fields(content, 0, len(content))):
        if count >= MAX_MESSAGE_FIELDS:
            raise ValueError(f"it has more than {MAX_MESSAGE_FIELDS} fields")
        if number == _OPERATORS:
            found = {inner: content[first:last] for inner, first, last in _fields(content, start, end)}
            domains.add(found.get(_DOMAIN, b"").decode())
        elif number == _METADATA:
            size += end - start
            if len(entries) >= MAX_ENTRIES or size > MAX_METADATA_BYTES:
                raise ValueError(f"its metadata have more than {MAX_ENTRIES} entries or {MAX_METADATA_BYTES} bytes")
            places = {inner: (first, last) for inner, first, last in _fields(content, start, end)}
            (first, last), value = places.get(_KEY, (start, start)), places.get(_VALUE, (end, end))
            if last - first > MAX_KEY_BYTES:
                raise ValueError(f"its metadata have a key of more than {MAX_KEY_BYTES} bytes")
            entries.append((content[first:last].decode(), content[value[0] : value[1]].decode(), *value))
    return entries, domains


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field of a message, and where its value begins and ends."""
    while start < end:
        tag, start = _varint(content, start, end)
        kind = tag & 7
        if kind == _VARINT:
            _, last = _varint(content, start, end)
        elif kind == _BYTES:
            length, start = _varint(content, start, end)
            last = start + length
        elif kind in _SIZES:
            last = start + _SIZES[kind]
        else:
            raise ValueError(f"no field begins at byte {start}")
        if last > end:
            raise ValueError(f"it ends before the field at byte {start} does")
        yield tag >> 3, start, last
        start = last


def _varint(content: bytes, start: int, end: int) -> tuple[int, int]:
    """A number of protobuf's, and where it ends."""
    value = 0
    for place, byte in enumerate(content[start : min(end, start + (_VARINT_BITS + 6) // 7)]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError(f"no number begins at byte {start}")

"""Keys that callers show, where the service asks for any."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from hmac import compare_digest
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from scoring.errors import ScoringError
from scoring.service.refusal import Fault, Refusal

_SCHEME = "bearer"
_OPEN = "/health/"
# Shorter ones can be guessed by trying.
_SHORTEST = 16


class KeysError(ScoringError):
    """The keys that callers are to show cannot be used."""


class Keys:
    """The keys of which each caller must show one, as `Authorization: Bearer KEY`; none: everybody is let in."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Take keys.

        Raises:
            KeysError: One is too short, or holds what a header cannot carry.
        """
        # Only digests are kept: of equal length, so that a comparison takes the same time for every key shown.
        self._digests: list[bytes] = []
        for number, key in enumerate(keys, start=1):
            if len(key) < _SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
                raise KeysError(
                    f"key {number} cannot be used; a key has at least {_SHORTEST} printable ASCII characters, no blanks"
                )
            self._digests.append(_digest(key))

    @classmethod
    def read(cls, path: Path | None, listed: str = "") -> Keys:
        """Keys from a file with one on each line, and from a text that separates them by commas.

        Raises:
            KeysError: The file cannot be read or names no key, or a key cannot be used.
        """
        keys = [key.strip() for key in listed.split(",") if key.strip()]
        if path is not None:
            try:
                found = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                raise KeysError(f"the file of keys {path} cannot be read: {error}") from error
            if not found:
                raise KeysError(f"the file of keys {path} is empty; write one key on each line")
            keys += found
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let callers in who show a key; whoever asks for the service's health need not.

        Raises:
            Refusal: The caller shows no key, or none of these.
        """
        if not request.path.startswith(_OPEN):
            self._check(request)
        return await handler(request)

    def _check(self, request: web.Request) -> None:
        if not self._digests:
            return
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        shown = _digest(key.strip())
        # All are compared, whichever fits, so that the time taken tells nothing.
        fits = [compare_digest(shown, digest) for digest in self._digests]
        if scheme.lower() != _SCHEME or not any(fits):
            raise Refusal(
                401,
                [Fault("unauthorized", "no valid key is shown; send the header `Authorization: Bearer KEY`")],
                {"WWW-Authenticate": "Bearer"},
            )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()

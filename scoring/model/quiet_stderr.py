"""Keeps harmless lines that onnxruntime writes by itself away from users."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Debian's onnxruntime 1.21 registers the operators twice, and says so of each of 567, at the first session.
_HARMLESS = re.compile(rb"Schema error: Trying to register schema .* but it is already registered from file .*")
_STDERR = 2
_one_at_a_time = threading.Lock()


@contextmanager
def without_schema_errors() -> Iterator[None]:
    """Hold back what is written to stderr, and let go of it at the end but for Debian's lines and the blanks after."""
    with _one_at_a_time, _buffer() as buffer:
        sys.stderr.flush()
        real = os.dup(_STDERR)
        os.dup2(buffer, _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, _STDERR)
            os.close(real)
            os.lseek(buffer, 0, os.SEEK_SET)
            with os.fdopen(os.dup(buffer), "rb") as written:
                os.write(_STDERR, _without_noise(written.read()))


@contextmanager
def _buffer() -> Iterator[int]:
    # A device's root file system is read-only, and has no room for temporary files.
    if hasattr(os, "memfd_create"):
        buffer = os.memfd_create("stderr")
        try:
            yield buffer
        finally:
            os.close(buffer)
    else:
        with tempfile.TemporaryFile() as file:
            yield file.fileno()


def _without_noise(written: bytes) -> bytes:
    kept = []
    noisy = False
    for line in written.splitlines(keepends=True):
        was_noisy, noisy = noisy, _HARMLESS.match(line) is not None
        if not noisy and not (was_noisy and not line.strip()):
            kept.append(line)
    return b"".join(kept)

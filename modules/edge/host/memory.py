"""Gives back to the system what a start has used and freed again."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Have the C library return free memory; some 10 MB after a model was loaded. Nothing where it is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

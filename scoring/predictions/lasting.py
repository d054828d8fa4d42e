"""Moments for which it is asked how likely an engine lasts longer."""

from __future__ import annotations

from scoring.errors import ModelError
from scoring.model.signature import Signature

CURVE = "curve"
"""All moments that the model itself tells."""
MOST = 16
"""Moments that can be asked for: as many as a curve has, and each makes a message longer."""
LATEST = 100_000.0
"""The latest of them, in cycles."""

Lasting = tuple[float, ...] | str


def lasting(text: str) -> Lasting:
    """What a text asks for.

    Args:
        text: `curve`, or moments in cycles from now with commas or spaces between; nothing: none.

    Returns:
        The moments, or `CURVE`.

    Raises:
        ValueError: It is neither; says what would be right.
    """
    if text.strip() == CURVE:
        return CURVE
    try:
        moments = tuple(float(each) for each in text.replace(",", " ").split())
    except ValueError:
        moments = (-1.0,)
    if len(moments) > MOST or len(set(moments)) != len(moments) or any(not 0 <= each <= LATEST for each in moments):
        raise ValueError(f"expected `{CURVE}`, or up to {MOST} different numbers of cycles from 0 to {LATEST:,.0f}")
    return moments


def moments(signature: Signature, asked: Lasting) -> tuple[float, ...]:
    """The moments of a model, in cycles from now.

    Raises:
        ModelError: The model tells no curve, and some are asked for.
    """
    if not asked:
        return ()
    if signature.curve is None:
        raise ModelError(
            f"{signature.name} does not tell how likely an engine lasts another number of cycles; make it by this "
            "version's `fit`, or do not ask for that"
        )
    return signature.curve.edges if isinstance(asked, str) else asked

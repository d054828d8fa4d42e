"""Differences of two models as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from scoring.comparison.differences import Differences
from scoring.model.model import Model
from scoring.predictions.prediction import Prediction

_SHARES = ("p0", "p5", "p25", "p50", "p75", "p95", "p100")


def table(first: Model, second: Model, differences: Differences) -> str:
    """A text for people: what differs, how far, where most, and by class.

    Args:
        first: The model that is called A.
        second: The model that is called B.
        differences: Between their answers to the same records.
    """
    return "\n".join(_lines(first, second, differences))


def _lines(first: Model, second: Model, differences: Differences) -> Iterator[str]:
    for letter, model in (("A", first), ("B", second)):
        yield f"{letter}  {model.signature.name}, version {model.version}, window {model.signature.window}"
    rows = differences.rows
    yield f"\n{rows:,} records scored by both" + "".join(
        f"; {count:,} by {letter} alone" for letter, count in sorted(differences.unscored.items())
    )
    if not rows:
        return
    differing = differences.differing
    yield f"{differing:,} with another class ({differing / rows:.2%})"
    distribution = differences.distribution()
    yield "\nBy A's class" + (": RUL by B less RUL by A, in cycles" if distribution else "")
    body = [["class", "records", "same class"]]
    if distribution:
        body[0] += ["mean", "mean abs", *(f"{share[1:]}%" for share in _SHARES)]
    body += [
        [str(name), f"{figures['rows']:,}", f"{figures['same'] / figures['rows']:.1%}", *_figures(figures)]
        for name, figures in differences.by_class().items()
    ]
    body.append(["all", f"{rows:,}", f"{1 - differing / rows:.1%}", *_figures(distribution)])
    yield from _aligned(body)
    if differing:
        yield "\nWhere classes differ"
        changed = [(pair, count) for pair, count in differences.labels.most_common() if pair[0] != pair[1]]
        yield from _aligned([["A", "B", "records"], *([str(a), str(b), f"{n:,}"] for (a, b), n in changed)])
    worst = differences.worst()
    if worst:
        yield "\nWhere they differ most"
        body = [
            ["engine", "cycle", "RUL A", "low..high", "RUL B", "low..high", "difference", "class A", "class B", "place"]
        ]
        for pair in worst:
            told = pair.record()
            cells = [
                told["engine"],
                told["cycle"],
                *(cell for one in (pair.first, pair.second) for cell in _rul(one)),
                told["difference"],
                *told["class"],
                pair.place.rpartition("/")[2],
            ]
            body.append(["" if cell is None else str(cell) for cell in cells])
        yield from _aligned(body)


def _rul(prediction: Prediction) -> list[str | None]:
    """What a model says of RUL, the middle where it tells one, and its interval."""
    if not prediction.rul:
        return [None, None]
    low, median, high = prediction.rul
    middle = median if prediction.middle is None else prediction.middle
    return [str(round(middle, 2)), f"{low:.0f}..{high:.0f}"]


def _figures(distribution: dict[str, float]) -> list[str]:
    if "mean" not in distribution:
        return []
    shares = [f"{distribution[name]:+.2f}" for name in _SHARES]
    return [f"{distribution['mean']:+.2f}", f"{distribution['mean_absolute']:.2f}", *shares]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of equal width: numbers to the right, words to the left."""
    columns = list(zip_longest(*rows, fillvalue=""))
    widths = [max(map(len, column)) for column in columns]
    to_the_right = [all(cell[:1] in "+-0123456789" for cell in column[1:]) for column in columns]
    for row in rows:
        cells = zip(row, widths, to_the_right, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()

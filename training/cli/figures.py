"""Figures as a table."""

from __future__ import annotations

from training.data.task import Words
from training.evaluation.figures import Figures


def table(figures: dict[str, Figures], words: Words) -> str:
    """A column for each set of figures, a line for each measure."""
    measures: list[tuple[str, str, str]] = [
        ("rows", "rows", "{:,}"),
        (words.machines, "engines", "{:,}"),
        ("accuracy", "accuracy", "{:.3f}"),
        ("macro-F1", "macro_f1", "{:.3f}"),
        (f"RMSE, every {words.step}", "rmse", "{:.2f}"),
        (f"RMSE, last {words.step}", "rmse_last", "{:.2f}"),
        (f"NASA score, last {words.step}", "nasa_score_last", "{:.0f}"),
        ("calibration error", "calibration_error", "{:.3f}"),
        ("coverage of low..high", "coverage", "{:.3f}"),
    ]
    curves: list[tuple[str, str, str]] = [
        (f"CRPS, {words.unit}", "crps", "{:.2f}"),
        ("Brier score", "brier", "{:.4f}"),
    ]
    lines = [f"{'':24}" + "".join(f"{name:>18}" for name in figures)]
    for title, measure, form in measures:
        values = [getattr(each, measure) for each in figures.values()]
        lines.append(f"{title:24}" + "".join(f"{'-' if value is None else form.format(value):>18}" for value in values))
    if all(each.curve for each in figures.values()):
        for title, measure, form in curves:
            values = [form.format(getattr(each.curve, measure)) for each in figures.values()]
            lines.append(f"{title:24}" + "".join(f"{value:>18}" for value in values))
    if any(each.mode_f1 is not None for each in figures.values()):
        values = ["-" if each.mode_f1 is None else f"{each.mode_f1:.3f}" for each in figures.values()]
        lines.append(f"{'macro-F1, failure mode':24}" + "".join(f"{value:>18}" for value in values))
    return "\n".join(lines)

"""Model cards: what a model is for, how good it is, and where it fails."""

from __future__ import annotations

from typing import Any

from scoring.model.model import Model

_MEASURES = (
    ("accuracy", "accuracy, every cycle", "{:.3f}"),
    ("macro_f1", "macro-F1, every cycle", "{:.3f}"),
    ("rmse_last", "RMSE, last cycle", "{:.2f}"),
    ("nasa_score_last", "NASA score, last cycle", "{:.0f}"),
)

_CARD = """\
# {name}

Predicts the remaining useful life (RUL) of a turbofan engine from its last {window} cycles: the probabilities of the
classes {classes}, and low, median and high RUL in cycles.

## Data
Fitted on {data_name} of NASA's C-MAPSS set (A. Saxena, K. Goebel, D. Simon, N. Eklund, PHM08, 2008; public domain):
{engines} simulated engines that ran to failure, {rows} cycles, SHA-256
`{sha256}`{sums}.

The median is cut at {cap:.0f} cycles: a prediction of {cap:.0f} means "{cap:.0f} or more". Low..high is made to hold
the true RUL, which is not cut, in {share:.0%} of cases.

## Figures
Every setting was chosen by cross-validation on training engines; docs/model.md says how often test engines were looked
at. In brackets: 95% intervals by resampling engines. RMSE and NASA score: truth cut at {cap:.0f} cycles.

{figures}

By cross-validation, grouped by engine: accuracy {cv[accuracy]:.3f}, macro-F1 {cv[macro_f1]:.3f}, RMSE over all cycles
{cv[rmse]:.2f}, expected calibration error {cv[calibration_error]:.3f}, coverage of low..high {cv[coverage]:.3f}.

Windows of which more than a tenth of the messages are missing (often most of them) are answered by a part of the model
made for them: accuracy {cv[torn][accuracy]:.3f}, RMSE {cv[torn][rmse]:.2f}, coverage {cv[torn][coverage]:.3f} in
cross-validation.

### Alerts
An alert is raised where the probability of {soon} reaches {threshold}, which found {cv[alerts][recall]:.1%} of the
cycles with RUL <= {edge:.0f} in cross-validation, with precision {cv[alerts][precision]:.1%}. From an engine's first
alert to its failure there were {lead[1]:.0f} cycles (median; {lead[0]:.0f} to {lead[2]:.0f} in 90% of engines).

## Proof
A device serves the model once it has reproduced {proof[windows]} golden windows. Of {proof[changes]} changes to the
file, each of one array of floats or of one ensemble's thresholds or leaves, by 30% or by 1%, it refuses
{proof[refused]} ({refused:.0%}). The others change no answer to windows of the test sets, whole or torn.

## Meant for
Trying out, teaching and testing predictive maintenance on edge devices, with engines that the C-MAPSS simulation makes
or that resemble them. Wear that shows as a slow drift of sensors, one message a cycle.

## Where it fails
{failures}
- Sudden failures: the data have none. Faults other than HPC and fan degradation, and regimes that training did not see.
- Healthy engines: how long an engine lasts cannot be seen before wear begins, so predictions near {cap:.0f} say little.
- Engines of which messages are missing, silent or stuck sensors: docs/model.md has the loss for each.

## Not to be used for
Deciding about the airworthiness of any real engine, or any decision on which safety depends. Its data are simulated.

## Made with
{versions}.

`python -m training models` makes it again from the data.
"""


def card(model: Model, size: int) -> str:
    """A model's card in Markdown, from what its signature says.

    Args:
        model: A model that `python -m training models` made.
        size: Of its file, in bytes.
    """
    signature = model.signature
    figures: dict[str, Any] = dict(signature.figures)
    validation = figures["cross-validation"]
    tests = {name: each for name, each in figures.items() if name.startswith("test ")}
    cap = signature.rul_cap or 0.0
    return _CARD.format(
        name=f"{signature.name} ({size / 1e6:.2f} MB, version {model.version})",
        window=signature.window,
        classes=_classes(signature.classes, signature.edges),
        data_name="all four sets (FD001 to FD004)" if len(tests) > 1 else signature.data["name"],
        engines=signature.data["engines"],
        rows=f"{signature.data['rows']:,}",
        sha256=signature.data["sha256"],
        sums=" (of the four files' sums)" if len(tests) > 1 else "",
        cap=cap,
        share=signature.interval,
        figures=_table(tests),
        cv=validation,
        soon=signature.classes[0],
        threshold=signature.alert["threshold"],
        edge=signature.edges[0],
        lead=validation["alerts"]["lead"],
        failures=_failures(tests),
        proof=figures["proof"],
        refused=figures["proof"]["refused"] / figures["proof"]["changes"],
        versions=", ".join(f"{name} {version}" for name, version in sorted(signature.versions.items())),
    )


def overview(models: dict[str, Model]) -> str:
    """The README of the shipped models, which names the default."""
    default = "fleet"
    lines = [
        "# Models",
        "",
        f"`{default}.onnx` is the default: an engine does not say which data set it came from. Each model has its",
        "card; docs/model.md says how they were chosen. All are made by `python -m training models`.",
        "",
        "| model | fitted on | evaluated on | accuracy | macro-F1 | RMSE, last cycle | NASA score |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, model in models.items():
        fitted_on = f"[{name}]({name}.md) | {model.signature.data['engines']} engines"
        for test, each in model.signature.figures.items():
            if test.startswith("test "):
                lines.append(
                    f"| {fitted_on} | {test.removeprefix('test ')} | {each['accuracy']:.3f} | "
                    f"{each['macro_f1']:.3f} | {each['rmse_last']:.2f} | {each['nasa_score_last']:.0f} |"
                )
    return "\n".join([*lines, ""])


def _classes(names: tuple[str, ...], edges: tuple[float, ...]) -> str:
    parts = [f"{name} (RUL <= {edge:.0f})" for name, edge in zip(names[:-1], edges, strict=True)]
    return f"{', '.join(parts)} and {names[-1]}"


def _table(tests: dict[str, Any]) -> str:
    lines = [f"| | {' | '.join(tests)} |", f"|---|{'---|' * len(tests)}"]
    for key, title, form in _MEASURES:
        cells = []
        for each in tests.values():
            low, high = each["interval_95"][key]
            cells.append(f"{form.format(each[key])} ({form.format(low)} to {form.format(high)})")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    coverage = [f"{each['coverage']:.3f}" for each in tests.values()]
    lines.append(f"| coverage of low..high | {' | '.join(coverage)} |")
    for name in next(iter(tests.values()))["class_f1"]:
        cells = [f"{each['class_f1'][name]:.3f}; {_share(each['coverage_by_class'][name])}" for each in tests.values()]
        lines.append(f"| {name}: F1; coverage | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "no rows" if value is None else f"{value:.3f}"


def _failures(tests: dict[str, Any]) -> str:
    lines = []
    for name, each in tests.items():
        worst = min(each["class_f1"], key=each["class_f1"].__getitem__)
        lines.append(f"- On {name}, {worst} is recognised worst (F1 {each['class_f1'][worst]:.3f}).")
    return "\n".join(lines)

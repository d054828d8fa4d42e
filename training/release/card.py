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

Predicts the remaining useful life (RUL) of a turbofan engine from its last {window} cycles: how likely it lasts longer
than {edges} cycles, the probabilities of the classes {classes}, and low, median and high RUL in cycles.

## Data
Fitted on {data_name} of NASA's C-MAPSS set (A. Saxena, K. Goebel, D. Simon, N. Eklund, PHM08, 2008; public domain):
{engines} simulated engines that ran to failure, {rows} cycles, SHA-256
`{sha256}`{sums}.

The median is cut at {cap:.0f} cycles: a prediction of {cap:.0f} means "{cap:.0f} or more". The middle is not; it lies
between low and high, which are made to hold the true RUL in {share:.0%} of cases.

## Figures
Every setting was chosen by cross-validation on training engines; docs/model.md says how often test engines were looked
at. In brackets: 95% intervals by resampling engines. RMSE and NASA score: truth cut at {cap:.0f} cycles.

{figures}

By cross-validation, grouped by engine: accuracy {cv[accuracy]:.3f}, macro-F1 {cv[macro_f1]:.3f}, RMSE over all cycles
{cv[rmse]:.2f}, CRPS {cv[curve][crps]:.2f}, expected calibration error {cv[calibration_error]:.3f}, coverage of
low..high {cv[coverage]:.3f} ({by_class}).

### Curves
How good the whole distribution is: CRPS (continuous ranked probability score) in cycles, which is the absolute error
where a prediction is certain, and the Brier score of having failed by a moment, averaged up to {cap:.0f} cycles. True
RUL is not cut.

{curves}

Windows of which more than a tenth of the messages are missing (often most of them) are answered by a part of the model
made for them: accuracy {cv[torn][accuracy]:.3f}, RMSE {cv[torn][rmse]:.2f}, coverage {cv[torn][coverage]:.3f} in
cross-validation.

### Alerts
An alert is raised where the probability of {soon} reaches {threshold}. By conformal risk control on {alert[engines]}
engines, at most {alpha:.3g}% of an engine's cycles with RUL <= {edge:.0f} are expected to pass without it,
whichever of them its record ends with{risk}.
In cross-validation precision was {cv[alerts][precision]:.1%}, and from an engine's first alert to its failure there
were {lead[1]:.0f} cycles (median; {lead[0]:.0f} to {lead[2]:.0f} in 90% of engines). On the tests:

{alerts}

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
        figures=_table(tests, signature.classes),
        cv=validation,
        soon=signature.classes[0],
        threshold=signature.alert["threshold"],
        edge=signature.edges[0],
        lead=validation["alerts"]["lead"],
        alert=signature.alert,
        alpha=100 * signature.alert["alpha"],
        risk=_risk(validation["alerts"]["risk"]),
        alerts=_alerts(tests),
        curves=_curves(tests, signature.classes),
        by_class=", ".join(f"{name} {_share(validation['coverage_by_class'][name])}" for name in signature.classes),
        edges=", ".join(f"{each:g}" for each in signature.curve.edges) if signature.curve else "",
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
        "| model | fitted on | evaluated on | accuracy | macro-F1 | RMSE, last cycle | NASA score | CRPS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, model in models.items():
        fitted_on = f"[{name}]({name}.md) | {model.signature.data['engines']} engines"
        for test, each in model.signature.figures.items():
            if test.startswith("test "):
                lines.append(
                    f"| {fitted_on} | {test.removeprefix('test ')} | {each['accuracy']:.3f} | "
                    f"{each['macro_f1']:.3f} | {each['rmse_last']:.2f} | {each['nasa_score_last']:.0f} | "
                    f"{each['curve']['crps']:.2f} |"
                )
    return "\n".join([*lines, ""])


def _classes(names: tuple[str, ...], edges: tuple[float, ...]) -> str:
    parts = [f"{name} (RUL <= {edge:.0f})" for name, edge in zip(names[:-1], edges, strict=True)]
    return f"{', '.join(parts)} and {names[-1]}"


def _table(tests: dict[str, Any], classes: tuple[str, ...]) -> str:
    lines = [f"| | {' | '.join(tests)} |", f"|---|{'---|' * len(tests)}"]
    for key, title, form in _MEASURES:
        cells = []
        for each in tests.values():
            low, high = each["interval_95"][key]
            cells.append(f"{form.format(each[key])} ({form.format(low)} to {form.format(high)})")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    coverage = [f"{each['coverage']:.3f}" for each in tests.values()]
    lines.append(f"| coverage of low..high | {' | '.join(coverage)} |")
    lines.append(f"| engines of which 70% are held | {_cells(tests, 'engines_held', '{:.3f}')} |")
    lines.append(f"| width of low..high, cycles | {_cells(tests, 'width', '{:.1f}')} |")
    for name in classes:
        cells = [f"{each['class_f1'][name]:.3f}; {_held(each, name)}" for each in tests.values()]
        lines.append(f"| {name}: F1; coverage | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(tests: dict[str, Any], key: str, form: str) -> str:
    return " | ".join(form.format(each[key]) for each in tests.values())


def _held(figures: dict[str, Any], name: str) -> str:
    """The share of a class's rows that low..high holds, with its interval."""
    held = figures["coverage_by_class"][name]
    if held is None:
        return _share(held)
    low, high = figures["interval_95"][f"coverage {name}"]
    return f"{held:.3f} ({low:.3f} to {high:.3f})"


def _curves(tests: dict[str, Any], classes: tuple[str, ...]) -> str:
    """What curves reached: over all rows, by class, by age."""
    curves = {name: each["curve"] for name, each in tests.items()}
    lines = [f"| | {' | '.join(tests)} |", f"|---|{'---|' * len(tests)}"]
    for key, title, form in (("crps", "CRPS", "{:.2f}"), ("brier", "Brier score", "{:.4f}")):
        cells = [
            f"{form.format(each[key])} ({' to '.join(map(form.format, each[f'{key}_95']))})" for each in curves.values()
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for name in classes:
        cells = [_number(each["crps_by_class"][name]) for each in curves.values()]
        lines.append(f"| CRPS, {name} | {' | '.join(cells)} |")
    for age in sorted({age for each in curves.values() for age in each["crps_by_age"]}, key=int):
        cells = [_number(each["crps_by_age"].get(age)) for each in curves.values()]
        lines.append(f"| CRPS, engines from {age} cycles on | {' | '.join(cells)} |")
    return "\n".join(lines)


def _alerts(tests: dict[str, Any]) -> str:
    """What the alert found on the tests, whose engines' records end before they fail."""
    lines = [f"| | {' | '.join(tests)} |", f"|---|{'---|' * len(tests)}"]
    for key, title in (("recall", "due cycles with an alert"), ("precision", "alerts that were due")):
        cells = [_share(each["alerts"][key]) for each in tests.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _risk(risk: list[float] | None) -> str:
    """What thresholds of half the engines missed of the others."""
    if risk is None:
        return ""
    missed, most = risk
    return f".\nThresholds of halves of the engines missed {missed:.1%} of the others', 95% of them at most {most:.1%}"


def _number(value: float | None) -> str:
    return "no rows" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "no rows" if value is None else f"{value:.3f}"


def _failures(tests: dict[str, Any]) -> str:
    lines = []
    for name, each in tests.items():
        worst = min(each["class_f1"], key=each["class_f1"].__getitem__)
        lines.append(f"- On {name}, {worst} is recognised worst (F1 {each['class_f1'][worst]:.3f}).")
    return "\n".join(lines)

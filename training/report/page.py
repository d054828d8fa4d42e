"""A report that a person would rather look at: one self-contained HTML file, and its drawings as PNG files."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scoring.model.model import Model
from scoring.model.outputs import Outputs
from scoring.model.signature import DRIFT_KEY
from scoring.predictions.explain import explain
from training.data.dataset import Dataset
from training.data.labels import Classes
from training.data.task import Words
from training.data.windows import FloatArray
from training.errors import DataError
from training.evaluation.alerts import alerts
from training.evaluation.curves import CurveFigures
from training.evaluation.figures import Figures, evaluate
from training.evaluation.removal import Costs, Rule, best_removal, cheapest
from training.export.model_file import metadata
from training.export.verify import predict_by_graph
from training.output import write_whole
from training.progress import Tell
from training.report import plots
from training.report.curves import due, lasting, spread
from training.report.robustness import by_messages_seen, changes_of_macro_f1, from_the_first_message_on
from training.report.two_data_sets import side_by_side

# Windows that are explained, spread over the data: enough for a mean, few enough for a minute.
_EXPLAINED = 400
# Machines that are shown one by one.
_MACHINES = 6

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.7rem; margin-bottom: 0; }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; }}
p.lead {{ color: #4a5568; margin-top: .2rem; }} img {{ max-width: 100%; height: auto; display: block; }}
table {{ border-collapse: collapse; margin: .8rem 0; }}
th, td {{ padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e2e8f0; text-align: left; }}
td + td, th + th {{ text-align: right; font-variant-numeric: tabular-nums; }}
.columns {{ display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }}
.columns > * {{ flex: 1 1 22rem; min-width: 0; }}
</style></head><body>
{body}
</body></html>
"""


def write_report(  # noqa: PLR0913, PLR0917
    content: bytes,
    data: Dataset,
    out: Path,
    progress: Tell,
    beside: tuple[Dataset, Dataset] | None = None,
    costs: Costs | None = None,
) -> dict[str, Any]:
    """Write report.html, its drawings and figures.json into a directory.

    Args:
        content: Of the ONNX file.
        data: Test engines with their true RUL.
        out: The directory; it is made if need be.
        progress: Is told what is being done.
        beside: Two sets of engines that ran to failure, whose sensors are shown side by side; None: leave that out.
        costs: What a failure and a removal cost; None: the usual ones.

    Returns:
        What figures.json holds.
    """
    model = Model(content)
    signature = model.signature
    classes, cap = Classes(signature.classes, signature.edges), signature.rul_cap or float(data.rul.max())
    progress("scoring", 0, 4)
    windows = data.windows()
    said = predict_by_graph(model, windows)
    probabilities, intervals = said.probabilities, said.rul
    figures = evaluate(said, data, classes, cap, signature.curve)
    progress("disturbing telemetry", 1, 4)
    changes = changes_of_macro_f1(model, windows, data)
    young = by_messages_seen(model, windows, data)
    first = from_the_first_message_on(probabilities, intervals, data, classes, cap)
    progress("explaining", 2, 4)
    importance = _importance(model, windows)
    raised = alerts(probabilities[:, 0], data, classes.edges[0], float(signature.alert["threshold"]))
    everything = {
        "model": signature.name,
        "version": model.version,
        "data": data.name,
        "figures": figures.as_dict(),
        "alerts": asdict(raised),
        "by messages seen, in mid-life": young,
        "by age, from the first message on": first,
        "change of macro-F1": changes,
        "importance": importance,
    }
    costs = Costs() if costs is None else costs
    # What came of each rule in cross-validation: test engines do not run to failure.
    validated: Any = signature.figures.get("cross-validation", {})
    if "rules" not in validated:
        raise DataError(f"{signature.name} does not say what came of removing engines; make it by this version's `fit`")
    rules = [Rule(**each) for each in validated["rules"]]
    everything["removal"] = {
        rule.name: {
            "cost for 1,000 cycles": rule.cost(costs),
            "share that fails": rule.failures,
            "cycles wasted": rule.wasted,
        }
        for rule in cheapest(rules, costs)
    }
    everything["costs"] = asdict(costs)
    last = Outputs(*(each[data.last] for each in said.each()))
    by_curve = [rule for rule in cheapest(rules, costs) if rule.kind == "curve"]
    if signature.curve and by_curve:
        everything["due"] = due(last, best_removal(last.survival, signature.curve, by_curve[0].at), data)
    if beside is not None:
        everything["these engines beside those"] = side_by_side(*beside)
    progress("drawing", 3, 4)
    words = data.task.words
    labels, found, median = classes.of(data.rul), probabilities.argmax(axis=1), intervals[:, 1]
    missed = median - np.minimum(data.rul, cap).astype(np.float32)
    columns = [column for column, name in enumerate(signature.field_names) if name in importance]
    drawings = {
        "sensors": plots.sensors_against_rul(
            data, columns, [signature.field_names[each] for each in columns], _regime(metadata(content), data)
        ),
        "predicted": plots.predicted_against_true(median, data.rul, data.last, cap, words),
        "residuals": plots.residuals(median, data.rul, cap, words),
        "machines": _single_machines(intervals, missed, data, cap),
        "confusion": plots.confusion(labels, found, classes),
        "reliability": plots.reliability(probabilities, labels, classes),
        "coverage": plots.coverage(figures.coverage_by_class, signature.interval),
        "age": plots.errors_by_age(missed, labels == found, data.trajectories.cycles, words),
        "importance": plots.bars(importance, "share of probability that the sensor moves, mean"),
        "costs": _costs(rules, costs, words),
    }
    if signature.curve:
        shown = spread(last.middle[:, 0])
        titles = [f"no. {each + 1}, middle {last.middle[each, 0]:.0f}" for each in shown]
        rul = data.rul[data.last][shown]
        drawings["curves"] = lasting(last.survival[shown], signature.curve, rul, titles, words)
    out.mkdir(parents=True, exist_ok=True)
    images = {name: plots.png(figure) for name, figure in drawings.items()}
    for name, image in images.items():
        write_whole(out / f"{name}.png", image)
    write_whole(out / "figures.json", (json.dumps(everything, indent=2) + "\n").encode())
    write_whole(out / "report.html", _page(model, data, figures, everything, images).encode())
    return everything


def _costs(rules: list[Rule], costs: Costs, words: Words) -> Figure:
    by_probability = [rule for rule in rules if rule.kind == "probability"]
    return plots.costs_by_threshold(
        [rule.at for rule in by_probability],
        [rule.cost(costs) for rule in by_probability],
        {rule.name: rule.cost(costs) for rule in cheapest(rules, costs) if rule.kind != "probability"},
        words,
    )


def _single_machines(intervals: FloatArray, missed: NDArray[np.float32], data: Dataset, cap: float) -> Figure:
    """Some machines, from the one that is predicted best to the one that is predicted worst."""
    squares = np.bincount(data.trajectories.units, weights=np.square(missed))[1:]
    error = np.sqrt(squares / data.trajectories.lengths)
    ranks = np.unique(np.linspace(0, len(error) - 1, min(_MACHINES, len(error))).round().astype(int))
    shown = (np.argsort(error, kind="stable")[ranks] + 1).tolist()
    titles = [f"no. {unit}, RMSE {error[unit - 1]:.1f}" for unit in shown]
    return plots.single_machines(intervals, data, cap, shown, titles)


def _importance(model: Model, windows: FloatArray) -> dict[str, float]:
    """The mean influence of each sensor on the probabilities, the largest first; those without are left out."""
    chosen = np.linspace(0, len(windows) - 1, min(_EXPLAINED, len(windows))).astype(int)
    total: dict[str, float] = {}
    for row in chosen:
        for each in explain(model, windows[row], count=len(model.signature.fields)):
            total[each.field] = total.get(each.field, 0.0) + each.probability / len(chosen)
    loudest = sorted(total, key=total.__getitem__, reverse=True)
    return {name: round(total[name], 5) for name in loudest if total[name] > 0}


def _regime(properties: dict[str, str], data: Dataset) -> NDArray[np.int64]:
    """The regime of each row, by the model's drift reference."""
    reference = json.loads(properties[DRIFT_KEY])
    if not reference["settings"]:
        return np.zeros(len(data.rul), dtype=np.int64)
    settings = data.trajectories.values[:, list(data.task.setting_columns)]
    grid = np.rint((settings - reference["offset"]) * reference["scale"])
    distance = np.square(grid[:, np.newaxis, :] - np.array(reference["centres"])).sum(axis=2)
    nearest = distance.argmin(axis=1)
    # The most frequent of these engines first: they may all fly in one.
    order = np.argsort(-np.bincount(nearest, minlength=distance.shape[1]), kind="stable")
    return np.asarray(np.argsort(order)[nearest], dtype=np.int64)


def _page(model: Model, data: Dataset, figures: Figures, everything: dict[str, Any], images: dict[str, bytes]) -> str:
    signature = model.signature
    raised, words = everything["alerts"], data.task.words
    lead = raised["lead"] or (float("nan"),) * 3
    body = [
        f"<h1>{html.escape(signature.name)} on {html.escape(data.name)}</h1>",
        f'<p class="lead">Version {model.version}, fitted on {signature.data["engines"]} {words.machines}, judged on '
        f"the {figures.rows:,} {words.step}s of {figures.engines} test {words.machines}.</p>",
        _table(
            {
                f"accuracy, every {words.step}": f"{figures.accuracy:.3f}",
                f"macro-F1, every {words.step}": f"{figures.macro_f1:.3f}",
                f"RMSE, last {words.step}, truth cut": _or_none(figures.rmse_last, f"{{:.2f}} {words.unit}"),
                f"NASA score, last {words.step}": _or_none(figures.nasa_score_last, "{:.0f}"),
                "expected calibration error": f"{figures.calibration_error:.3f}",
                "true RUL within low..high": f"{figures.coverage:.1%}",
                f"alert at {raised['threshold']}: recall, precision": f"{_or_none(raised['recall'], '{:.1%}')}, "
                f"{_or_none(raised['precision'], '{:.1%}')}",
                "first alert before failure: median (5% to 95%)": f"{lead[1]:.0f} ({lead[0]:.0f} to {lead[2]:.0f}) "
                f"{words.unit}",
            }
        ),
        "<h2>Sensors against RUL</h2>",
        f"<p>Median and 10% to 90% of the {words.step}s done in the most frequent operating regime.</p>",
        _image(images, "sensors"),
        "<h2>Predictions against the truth</h2>",
        f'<div class="columns">{_image(images, "predicted")}{_image(images, "confusion")}</div>',
        _image(images, "residuals"),
        f"<h2>Single {words.machines}</h2>",
        f"<p>From the one that is predicted best to the one that is predicted worst, over all its {words.step}s.</p>",
        _image(images, "machines"),
        *(_curves(figures.curve, images, words) if figures.curve else []),
        "<h2>Are probabilities and intervals honest?</h2>",
        f'<div class="columns">{_image(images, "reliability")}{_image(images, "coverage")}</div>',
        "<h2>When to remove one</h2>",
        f"<p>The cheapest rule of each kind, in cross-validation, if a failure in service costs "
        f"{everything['costs']['failure']:g} and a removal in time {everything['costs']['removal']:g}.</p>",
        f'<div class="columns">{_image(images, "costs")}'
        f"{_rows(everything['removal'], 'rule', '{:.2f}', words.step)}</div>",
        *(_due(everything["due"], words) if "due" in everything else []),
        f"<h2>Young {words.machines}</h2>",
        _image(images, "age"),
        "<p>In mid-life, where the device has seen only so many messages:</p>",
        _rows(everything["by messages seen, in mid-life"], "messages seen"),
        "<h2>What predictions rest on</h2>",
        _image(images, "importance"),
        "<h2>Disturbed telemetry</h2>",
        f"<p>Change of macro-F1 ({everything['change of macro-F1']['as it is']:.3f} as it is).</p>",
        _disturbed(everything["change of macro-F1"]),
    ]
    if "these engines beside those" in everything:
        body += [
            f"<h2>These {words.machines} beside those</h2>",
            f"<p>Level and noise of young {words.machines}, and by how much a sensor has moved at failure, in its own "
            "unit.</p>",
            _rows(everything["these engines beside those"], "sensor"),
        ]
    return _PAGE.format(title=html.escape(f"{signature.name} on {data.name}"), body="\n".join(body))


def _curves(figures: CurveFigures, images: dict[str, bytes], words: Words) -> list[str]:
    """What curves say of single machines, and how good they are."""
    (low, high), (least, most) = figures.crps_95, figures.brier_95
    return [
        "<h2>How likely it lasts how long</h2>",
        f"<p>Some test {words.machines} from their newest record on, and how long each did last (orange). Eight of ten "
        f"such {words.machines} fail where the curve is shaded. CRPS {figures.crps:.2f} {words.unit} ({low:.2f} to "
        f"{high:.2f}), Brier score {figures.brier:.4f} ({least:.4f} to {most:.4f}); in brackets 95% intervals.</p>",
        _image(images, "curves"),
    ]


def _due(machines: dict[str, dict[str, float]], words: Words) -> list[str]:
    """Which machines to take out first."""
    return [
        f"<p>By that, the test {words.machines} to be taken out first, in {words.unit} from their newest record "
        "on:</p>",
        _rows(machines, words.machines, "{:g}"),
    ]


def _image(images: dict[str, bytes], name: str) -> str:
    encoded = base64.b64encode(images[name]).decode("ascii")
    return f'<img alt="{name}" src="data:image/png;base64,{encoded}">'


def _table(rows: dict[str, str]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def _rows(rows: dict[str, dict[str, float]], title: str, form: str = "{:.3f}", step: str = "cycle") -> str:
    names = list(next(iter(rows.values())))
    head = [title, *(name.replace("_", "-") for name in names)]
    lines = [[row, *(form.format(values[name]) for name in names)] for row, values in rows.items()]

    def cells(kind: str, texts: list[str]) -> str:
        told = (html.escape(text.replace("cycle", step)) for text in texts)
        return "<tr>" + "".join(f"<{kind}>{text}</{kind}>" for text in told) + "</tr>"

    return f"<table>{cells('th', head)}{''.join(cells('td', line) for line in lines)}</table>"


def _disturbed(changes: dict[str, float]) -> str:
    """General disturbances by name; for sensors, silent and stuck side by side."""
    sensors = [name.removesuffix(" stuck") for name in changes if name.endswith(" stuck")]
    of_sensors = {"as it is", *(f"{name} {fault}" for name in sensors for fault in ("missing", "stuck"))}
    general = {name: f"{value:+.3f}" for name, value in changes.items() if name not in of_sensors}
    by_sensor = {
        name: {"missing": changes[f"{name} missing"], "stuck": changes[f"{name} stuck"]}
        for name in sensors
        if changes[f"{name} missing"] or changes[f"{name} stuck"]
    }
    return _table(general) + (_rows(by_sensor, "sensor") if by_sensor else "")


def _or_none(value: float | None, form: str) -> str:
    return "none" if value is None else form.format(value)

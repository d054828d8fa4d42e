"""Training: data sets, labels, features, fitting, evaluation and export of RUL models."""

import os
from typing import TYPE_CHECKING

from scoring.lazy import lazily

# Before scikit-learn loads OpenMP: threads that spin while they wait for a processor that others use as well make a
# fit of 25 s take many minutes; threads that sleep cost nothing where the machine is idle.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from training.data.dataset import Dataset, load_test, load_training
    from training.data.labels import Classes
    from training.data.task import CMAPSS, Task, read_task
    from training.errors import TrainingError
    from training.estimators.recipe import Recipe
    from training.evaluation.figures import Figures, evaluate
    from training.export.estimator import export_estimator
    from training.export.model_file import export_model
    from training.export.verify import Verification, predict_by_graph, verify
    from training.fitting.fit import Fitted, fit
    from training.release.registry import register, versions
    from training.report.page import write_report

__all__ = [
    "CMAPSS",
    "Classes",
    "Dataset",
    "Figures",
    "Fitted",
    "Recipe",
    "Task",
    "TrainingError",
    "Verification",
    "evaluate",
    "export_model",
    "export_estimator",
    "fit",
    "load_test",
    "load_training",
    "predict_by_graph",
    "read_task",
    "register",
    "write_report",
    "verify",
    "versions",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "data.dataset": (
            "Dataset",
            "load_test",
            "load_training",
        ),
        "data.task": (
            "CMAPSS",
            "Task",
            "read_task",
        ),
        "data.labels": ("Classes",),
        "errors": ("TrainingError",),
        "estimators.recipe": ("Recipe",),
        "evaluation.figures": (
            "Figures",
            "evaluate",
        ),
        "export.estimator": ("export_estimator",),
        "export.model_file": ("export_model",),
        "export.verify": (
            "Verification",
            "predict_by_graph",
            "verify",
        ),
        "fitting.fit": (
            "Fitted",
            "fit",
        ),
        "release.registry": (
            "register",
            "versions",
        ),
        "report.page": ("write_report",),
    },
)

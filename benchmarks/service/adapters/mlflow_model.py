"""For `mlflow models serve`: a model from code, and the command that saves it."""

from __future__ import annotations

import sys
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from benchmarks.service.adapters.answer import answer, load


class Scoring(mlflow.pyfunc.PythonModel):
    """The model."""

    def load_context(self, context: object) -> None:  # noqa: ARG002 - the form that MLflow asks for
        self.model = load()

    def predict(self, context: object, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:  # noqa: ARG002
        return answer(self.model, model_input)


mlflow.models.set_model(Scoring())

if __name__ == "__main__":
    shape = (-1, *map(int, sys.argv[2:4]))
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), shape)]))
    mlflow.pyfunc.save_model(sys.argv[1], python_model=__file__, signature=signature, pip_requirements=[])

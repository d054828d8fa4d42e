"""For azureml-inference-server-http: a scoring script."""

from __future__ import annotations

import json

from benchmarks.service.adapters.answer import answer, load


def init() -> None:
    global model  # noqa: PLW0603 - the form that the server asks for
    model = load()


def run(data: str) -> list[list[float]]:
    return answer(model, json.loads(data)["windows"]).tolist()

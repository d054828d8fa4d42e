"""How much a message costs in the process beside the bare call of the model.

    python -m benchmarks.message MODEL.onnx

Compares, in one run and in turn: the ONNX call alone for one window, and all that `rulclassifier` does for a message
in its process (parse, check, window, score, answer). Prints the median of each and their ratio.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.telemetry import telemetry
from modules.edge.hub.message import InputMessage
from modules.rulclassifier import replies
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Sender
from scoring.telemetry.turbofan import FIELDS

ROUNDS = 20
MESSAGES = 200
ENGINES = 50


def main() -> None:
    model = Model.load(Path(sys.argv[1]))
    classifier = Classifier(model)
    window = telemetry(1, model.signature.window).astype(np.float32)
    rows = telemetry(ENGINES, MESSAGES // ENGINES).swapaxes(0, 1).reshape(MESSAGES, -1)
    bodies = [
        json.dumps({field.name: value for field, value in zip(FIELDS, row, strict=True)}) for row in rows.tolist()
    ]
    messages = [
        InputMessage("telemetry", body.encode(), {"cdid": f"Client_{n % ENGINES:03d}", "mid": str(n)})
        for n, body in enumerate(bodies)
    ]
    bare, whole = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(MESSAGES):
            model.predict(window)
        bare.append((time.perf_counter() - started) / MESSAGES)
        started = time.perf_counter()
        for message in messages:
            for answer in classifier.score(classifier.parser.parse(message.body, Sender(message.device))):
                list(replies.prediction(message, answer))
        whole.append((time.perf_counter() - started) / MESSAGES)
    call, message = statistics.median(bare), statistics.median(whole)
    print(f"bare ONNX call, one window    {call * 1e6:7.0f} us")
    print(f"a message, from bytes to answer {message * 1e6:5.0f} us")
    print(f"ratio                         {message / call:7.2f}")


if __name__ == "__main__":
    main()

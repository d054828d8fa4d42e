"""For MLServer: a runtime."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.service.adapters.answer import answer, load


class Scoring(MLModel):
    """The runtime."""

    async def load(self) -> bool:
        self.model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        windows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("predictions", answer(self.model, windows))
        return InferenceResponse(model_name=self.name, outputs=[output])

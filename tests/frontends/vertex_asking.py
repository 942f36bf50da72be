"""Asks for predictions as the vendor's clients and curl do: over gRPC on the vendor's paths, and over REST."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dragoman.dialect.google.aiplatform import v1 as a
from dragoman_service.dialects.google.predict.tensors import plain_of, plain_of_json, tensor_of
from dragoman_service.dialects.google.predict.values import value_of
from dragoman_service.dialects.message_json import plain_value
from dragoman_service.testing.serving import Served
from raw_http import RawAnswer, asked

SERVICE = "/google.cloud.aiplatform.v1.PredictionService"
MODELS = "/v1/projects/p/locations/us-central1/publishers/google/models"
ENDPOINT = "projects/p/locations/us-central1/publishers/google/models/{}"


def text(prompt: str = "hello big world", **more: Any) -> dict[str, Any]:
    """An instance of a text model."""
    return {"prompt": prompt, **more}


def chat(prompt: str = "hello big world", script: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An instance of a chat model. `script` is a script for echo."""
    scripted = {} if script is None else {"context": f"echo: {json.dumps(script)}"}
    return {"messages": [{"author": "user", "content": prompt}], **scripted, **more}


async def predicted(served: Served, instance: Any, model: str = "echo", **parameters: Any) -> a.PredictResponse:
    """The answer of Predict over gRPC."""
    request = a.PredictRequest(endpoint=ENDPOINT.format(model), instances=[value_of(instance)])
    if parameters:
        request.parameters.CopyFrom(value_of(parameters))
    method: Any = served.channel.unary_unary(
        f"{SERVICE}/Predict", a.PredictRequest.SerializeToString, a.PredictResponse.FromString
    )
    answer: a.PredictResponse = await method(request, timeout=10)
    return answer


def prediction_of(answer: a.PredictResponse) -> Any:
    """The only prediction, as plain values."""
    (prediction,) = answer.predictions
    return plain_value(prediction)


async def pieces(served: Served, instance: Any, model: str = "echo", **parameters: Any) -> list[Any]:
    """The pieces of ServerStreamingPredict over gRPC, as plain values."""
    request = a.StreamingPredictRequest(endpoint=ENDPOINT.format(model), inputs=[tensor_of(instance)])
    if parameters:
        request.parameters.CopyFrom(tensor_of(parameters))
    method: Any = served.channel.unary_stream(
        f"{SERVICE}/ServerStreamingPredict",
        a.StreamingPredictRequest.SerializeToString,
        a.StreamingPredictResponse.FromString,
    )
    answers = [answer async for answer in method(request, timeout=10)]
    assert all(len(answer.outputs) == 1 for answer in answers)
    return [plain_of(answer.outputs[0]) for answer in answers]


@asynccontextmanager
async def posted(served: Served, verb: str, body: Any, model: str = "echo") -> AsyncIterator[RawAnswer]:
    """The response to a body that is sent to `verb` of a model, such as `serverStreamingPredict?alt=sse`."""
    async with asked(served.running.http_address, "POST", f"{MODELS}/{model}:{verb}", body) as answer:
        yield answer


def outputs(tree: Any) -> list[Any]:
    """The outputs of pieces in JSON, as plain values."""
    return [plain_of_json(output, "outputs") for piece in tree for output in piece["outputs"]]

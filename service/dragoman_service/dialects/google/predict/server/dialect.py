"""Predictions as two server dialects, over gRPC and over REST, each of which serves streamed and complete ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from google.rpc.status_pb2 import Status

from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.dialects.google.errors import encode_error, error_tree
from dragoman_service.dialects.google.predict import tensors, values
from dragoman_service.dialects.google.predict.json import body_of
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.errors import in_vendor_terms
from dragoman_service.dialects.google.predict.server.parameters import SUPPORTED_FIELDS
from dragoman_service.dialects.google.predict.server.request import decode_request
from dragoman_service.dialects.google.predict.server.response import (
    Prediction,
    PredictionEncoder,
    metadata,
    predictions,
)
from dragoman_service.dialects.message_json import plain_value
from dragoman_service.errors import CompletionError, malformed_request

STREAMED, COMPLETE = "inputs", "instances"
"""The callers' names of the instances, in requests for a streamed answer and for a complete one."""


class MessageDialect:
    """Over gRPC. A request is a StreamingPredictRequest or a PredictRequest; errors are statuses.

    `reject`: what no field stands for is refused instead of left out with a warning.
    """

    supported_fields = SUPPORTED_FIELDS

    def __init__(self, *, reject: bool = False) -> None:
        self._reject = reject

    def decode_request(self, wire: a.StreamingPredictRequest | a.PredictRequest) -> PredictRequest:
        decoded = PredictRequest(reject=self._reject)
        decoded.request.model = wire.endpoint
        if isinstance(wire, a.StreamingPredictRequest):
            decoded.stream = True
            inputs = [tensors.plain_of(tensor) for tensor in wire.inputs]
            return decode_request(inputs, tensors.plain_of(wire.parameters), decoded, STREAMED)
        instances = [plain_value(value) for value in wire.instances]
        return decode_request(instances, plain_value(wire.parameters), decoded, COMPLETE)

    def encode_completion(
        self, completion: v1.Completion, decoded: DecodedRequest
    ) -> a.PredictResponse | a.StreamingPredictResponse:
        request = _predict_request(decoded)
        if decoded.stream:
            return a.StreamingPredictResponse(outputs=map(tensors.tensor_of, _whole(completion, request)))
        return a.PredictResponse(
            predictions=map(values.value_of, predictions(completion, request)),
            metadata=values.value_of(metadata(completion, request)),
        )

    def event_encoder(self, decoded: DecodedRequest) -> MessageEncoder:
        return MessageEncoder(PredictionEncoder(_predict_request(decoded)))

    def encode_error(self, error: CompletionError, call_id: str) -> Status:
        return in_vendor_terms(error).status(call_id)


class MessageEncoder:
    """Each piece as a message."""

    def __init__(self, pieces: PredictionEncoder) -> None:
        self._pieces = pieces

    def feed(self, event: v1.CompletionEvent) -> Iterable[a.StreamingPredictResponse]:
        return map(self._message, self._pieces.feed(event))

    def end(self) -> Iterable[a.StreamingPredictResponse]:
        return map(self._message, self._pieces.end())

    def fail(self, error: CompletionError, call_id: str) -> Iterable[a.StreamingPredictResponse]:
        return ()  # the status of the call carries it

    def _message(self, prediction: Prediction) -> a.StreamingPredictResponse:
        return a.StreamingPredictResponse(outputs=[tensors.tensor_of(prediction)])


class JsonDialect:
    """Over REST. The model is in the path, so that requests hold none, and so is whether they ask for a `stream`.

    A stream consists of server-sent events, or of the elements of an array with `array`. `reject` as above.
    """

    supported_fields = SUPPORTED_FIELDS
    sign_of_life = b"\n"
    """Readers of events skip an empty line, and those of arrays skip white space between two elements."""

    def __init__(self, *, stream: bool = True, array: bool = False, reject: bool = False) -> None:
        self._stream = stream
        self._array = array
        self._reject = reject

    @property
    def opening(self) -> bytes:
        """What a stream begins with, before anything else: no client skips white space before an array."""
        return b"[" if self._array else b""

    def decode_request(self, wire: bytes) -> PredictRequest:
        body, decoded = body_of(wire), PredictRequest(stream=self._stream, reject=self._reject)
        at = STREAMED if decoded.stream else COMPLETE
        instances = body.get(at) or []
        if not isinstance(instances, list):
            raise malformed_request(f"{at} must be an array.")
        for key in body.keys() - {at, "parameters", "endpoint"}:
            decoded.leave_out(key[:64], "no key of this request has this name.")
        try:
            if not decoded.stream:
                return decode_request(instances, body.get("parameters"), decoded, at)
            inputs = [tensors.plain_of_json(tree, f"{at}[{number}]") for number, tree in enumerate(instances)]
            parameters = tensors.plain_of_json(body.get("parameters"), "parameters")
        except RecursionError:
            raise malformed_request("The body is nested too deeply.") from None
        except ValueError as wrong:
            raise malformed_request(f"{str(wrong)[:512]}.") from None
        return decode_request(inputs, parameters, decoded, at)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        request = _predict_request(decoded)
        if decoded.stream:
            return orjson.dumps([_outputs(prediction) for prediction in _whole(completion, request)])
        return orjson.dumps(
            {"predictions": predictions(completion, request), "metadata": metadata(completion, request)}
        )

    def event_encoder(self, decoded: DecodedRequest) -> JsonEncoder:
        return JsonEncoder(PredictionEncoder(_predict_request(decoded)), array=self._array)

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(in_vendor_terms(error), call_id)


class JsonEncoder:
    """Each piece as an event, or as an element of an array, whose first bracket is the dialect's `opening`."""

    def __init__(self, pieces: PredictionEncoder, *, array: bool) -> None:
        self._pieces = pieces
        self._array = array
        self._begun = False

    def feed(self, event: v1.CompletionEvent) -> Iterable[bytes]:
        return map(self._framed, self._pieces.feed(event))

    def end(self) -> Iterable[bytes]:
        yield from map(self._framed, self._pieces.end())
        if self._array:
            yield b"]"

    def fail(self, error: CompletionError, call_id: str) -> Iterable[bytes]:
        """None in an array, because clients would read the error as an empty answer: the connection breaks instead."""
        return () if self._array else (_event(error_tree(in_vendor_terms(error), call_id)),)

    def _framed(self, prediction: Prediction) -> bytes:
        piece = _outputs(prediction)
        if not self._array:
            return _event(piece)
        begun, self._begun = self._begun, True
        return (b",\n" if begun else b"") + orjson.dumps(piece)


def _whole(completion: v1.Completion, request: PredictRequest) -> list[Prediction]:
    """A complete answer to a request for a streamed one."""
    whole = predictions(completion, request)
    for prediction in whole:
        prediction["metadata"] = metadata(completion, request)
    return whole


def _outputs(prediction: Prediction) -> dict[str, Any]:
    return {"outputs": [tensors.json_of(prediction)]}


def _event(tree: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(tree) + b"\n\n"


def _predict_request(decoded: DecodedRequest) -> PredictRequest:
    if not isinstance(decoded, PredictRequest):
        raise TypeError("decode the request with this dialect")
    return decoded

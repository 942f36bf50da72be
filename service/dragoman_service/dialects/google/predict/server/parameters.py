"""Decodes parameters, which have the same names in all families, though each family documents some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest, unsupported
from dragoman_service.errors import CompletionError, FieldViolation, invalid

AT = "parameters"
SUPPORTED_FIELDS = tuple(
    f"generation_config.{name}"
    for name in (
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "seed",
        "choice_count",
        "presence_penalty",
        "frequency_penalty",
        "include_logprobs",
        "top_logprobs",
    )
)
_INT32, _INT64 = 2**31, 2**63
Decode = Callable[[PredictRequest, Any, str], None]


def decode_parameters(decoded: PredictRequest, parameters: Any) -> None:
    """Decodes `parameters` into `decoded`. Raises INVALID_FIELD or UNSUPPORTED_FIELD."""
    if parameters is None:
        return
    if not isinstance(parameters, Mapping):
        raise wrong(AT, "must be a structure, as in {temperature: 0.2}")
    for key, value in parameters.items():
        if value is None:  # an empty tensor
            continue
        path = f"{AT}.{key[:64]}"
        decode = PARAMETERS.get(camel_case(key))
        if decode is None:
            decoded.leave_out(path, "no parameter of this service has this name.")
        else:
            decode(decoded, value, path)


def wrong(path: str, message: str) -> CompletionError:
    """INVALID_FIELD for the value of `path`."""
    return invalid(FieldViolation(path, message))


def _config(decoded: PredictRequest) -> v1.GenerationConfig:
    return decoded.request.generation_config


def _number(name: str) -> Decode:
    def decode(decoded: PredictRequest, value: Any, path: str) -> None:
        if type(value) not in (int, float):
            raise wrong(path, "must be a number")
        setattr(_config(decoded), name, value)

    return decode


def _integer(name: str, limit: int = _INT32) -> Decode:
    def decode(decoded: PredictRequest, value: Any, path: str) -> None:
        setattr(_config(decoded), name, integer(value, path, limit))

    return decode


def integer(value: Any, path: str, limit: int = _INT32) -> int:
    """A whole number, which some clients write with a decimal point. Raises INVALID_FIELD."""
    if type(value) not in (int, float) or not float(value).is_integer():
        raise wrong(path, "must be an integer")
    if not -limit <= value < limit:
        raise wrong(path, f"must be from {-limit} to {limit - 1}")
    return int(value)


def _stops(decoded: PredictRequest, value: Any, path: str) -> None:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise wrong(path, "must be a list of texts")
    _config(decoded).stop_sequences.extend(stops)


def _candidates(decoded: PredictRequest, value: Any, path: str) -> None:
    count = integer(value, path)
    if decoded.stream and count > 1:
        raise unsupported(path, "a stream holds one candidate. Call predict, without streaming, for several.")
    _config(decoded).choice_count = count


def _logprobs(decoded: PredictRequest, value: Any, path: str) -> None:
    config = _config(decoded)
    config.include_logprobs, config.top_logprobs = True, integer(value, path)


def _left_out(advice: str) -> Decode:
    def decode(decoded: PredictRequest, value: Any, path: str) -> None:
        if value not in (False, 0, "", [], {}):  # values that ask for what happens anyway
            decoded.leave_out(path, advice)

    return decode


PARAMETERS: Mapping[str, Decode] = {
    "temperature": _number("temperature"),
    "topP": _number("top_p"),
    "topK": _integer("top_k"),
    **dict.fromkeys(("maxOutputTokens", "maxDecodeSteps"), _integer("max_output_tokens")),
    "stopSequences": _stops,
    "candidateCount": _candidates,
    "logprobs": _logprobs,
    "presencePenalty": _number("presence_penalty"),
    "frequencyPenalty": _number("frequency_penalty"),
    "seed": _integer("seed", _INT64),
    "logitBias": _left_out("tokens of one model are not those of another."),
    "echo": _left_out("the answer does not repeat the prompt."),
    "groundingConfig": _left_out("no sources are searched."),
}

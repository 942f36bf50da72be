"""Decodes how to generate an answer."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.xai.server.messages import wrong

_FLOATS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_WHOLE = {"max_tokens": "max_output_tokens", "seed": "seed", "top_logprobs": "top_logprobs"}
_EFFORTS = {
    x.EFFORT_NONE: v1.REASONING_EFFORT_NONE,
    x.EFFORT_LOW: v1.REASONING_EFFORT_LOW,
    x.EFFORT_MEDIUM: v1.REASONING_EFFORT_MEDIUM,
    x.EFFORT_HIGH: v1.REASONING_EFFORT_HIGH,
    x.EFFORT_XHIGH: v1.REASONING_EFFORT_XHIGH,
}


def decode_config(wire: x.GetCompletionsRequest) -> v1.GenerationConfig:
    """The config; empty if nothing is set. Raises INVALID_FIELD."""
    config = v1.GenerationConfig(stop_sequences=wire.stop)
    for name in _FLOATS:
        if wire.HasField(name):  # type: ignore[arg-type]
            setattr(config, name, _decimal(getattr(wire, name)))
    for theirs, ours in _WHOLE.items():
        if wire.HasField(theirs):  # type: ignore[arg-type]
            setattr(config, ours, getattr(wire, theirs))
    if wire.HasField("n") and wire.n != 1:
        config.choice_count = wire.n
    if wire.logprobs:
        config.include_logprobs = True
    if wire.reasoning_effort:
        if wire.reasoning_effort not in _EFFORTS:
            wrong("reasoning_effort", "must be one of none, low, medium, high and xhigh")
        config.reasoning.effort = _EFFORTS[wire.reasoning_effort]
    _set_format(config, wire.response_format)
    return config


def _set_format(config: v1.GenerationConfig, form: x.ResponseFormat) -> None:
    match form.format_type:
        case x.FORMAT_TYPE_JSON_OBJECT:
            config.response_format.json_object.SetInParent()
        case x.FORMAT_TYPE_JSON_SCHEMA if form.schema:
            config.response_format.json_schema.schema_json = form.schema
        case x.FORMAT_TYPE_JSON_SCHEMA:
            wrong("response_format.schema", "is required with this format")
        case x.FORMAT_TYPE_INVALID | x.FORMAT_TYPE_TEXT:
            return
        case _:
            wrong("response_format.format_type", "must be text, json_object or json_schema")


def _decimal(value: float) -> float:
    """The decimal number that was meant by one of 32 bits: 0.7, not 0.699999988079071."""
    return float(f"{value:.7g}")

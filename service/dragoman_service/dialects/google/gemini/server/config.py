"""Decodes the generation config."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.dialects.google.gemini.enums import MODALITY, THINKING_LEVEL
from dragoman_service.dialects.google.gemini.reading import Reader, json_text
from dragoman_service.dialects.google.gemini.schemas import json_schema

_INT64 = 2**63
_EFFORTS = {
    "MINIMAL": v1.REASONING_EFFORT_MINIMAL,
    "LOW": v1.REASONING_EFFORT_LOW,
    "MEDIUM": v1.REASONING_EFFORT_MEDIUM,
    "HIGH": v1.REASONING_EFFORT_HIGH,
    "XHIGH": v1.REASONING_EFFORT_XHIGH,
}
_DYNAMIC = -1  # the budget that leaves it to the model
_TEXT, _JSON = "text/plain", "application/json"
_IGNORED = {
    **dict.fromkeys(("speechConfig", "imageConfig", "mediaResolution", "audioTimestamp"), "Answers are text."),
    **dict.fromkeys(("enableEnhancedCivicAnswers", "enableAffectiveDialog"), "Models do not know it."),
    **dict.fromkeys(("routingConfig", "modelConfig", "modelSelectionConfig"), "The request names its model."),
}


def decode_config(reader: Reader) -> tuple[v1.GenerationConfig, bool]:
    """The config, and whether the answer shows the model's thoughts. Raises INVALID_FIELD."""
    config = v1.GenerationConfig(stop_sequences=reader.texts("stopSequences"))
    for name, key in (
        ("temperature", "temperature"),
        ("top_p", "topP"),
        ("presence_penalty", "presencePenalty"),
        ("frequency_penalty", "frequencyPenalty"),
    ):
        if (number := reader.number(key)) is not None:
            setattr(config, name, number)
    for name, key in (
        ("max_output_tokens", "maxOutputTokens"),
        ("top_k", "topK"),
        ("choice_count", "candidateCount"),
        ("top_logprobs", "logprobs"),
    ):
        if (count := reader.integer(key)) is not None:
            setattr(config, name, count)
    if (seed := reader.integer("seed", limit=_INT64)) is not None:
        config.seed = seed
    if reader.boolean("responseLogprobs"):
        config.include_logprobs = True
    _decode_format(reader, config)
    _refuse_modalities(reader)
    thoughts = _decode_thinking(reader, config)
    reader.ignore(_IGNORED)
    reader.finish()
    return config, thoughts


def _decode_format(reader: Reader, config: v1.GenerationConfig) -> None:
    """A schema asks for JSON, whether or not the media type does."""
    kind, openapi = reader.text("responseMimeType") or "", reader.plain("responseSchema")
    schema = reader.take("responseJsonSchema")
    if kind not in ("", _TEXT, _JSON):
        allowed = f"must be {_TEXT} or {_JSON}: for one of several words, send {_JSON} and a schema with an enum"
        reader.wrong("responseMimeType", allowed)
    if schema is not None:
        config.response_format.json_schema.schema_json = json_text(schema)
    elif openapi:
        found = json_schema(openapi, reader.at("responseSchema"), reader.notes.api)
        config.response_format.json_schema.schema_json = json_text(found)
    elif kind == _JSON:
        config.response_format.json_object.SetInParent()


def _refuse_modalities(reader: Reader) -> None:
    modalities = {MODALITY.name(value, reader.notes.api) for value in reader.values("responseModalities")}
    if modalities - {"TEXT", MODALITY.zero}:
        reader.wrong("responseModalities", "must be TEXT, because answers of this service are text")


def _decode_thinking(reader: Reader, config: v1.GenerationConfig) -> bool:
    thinking = reader.object("thinkingConfig")
    if thinking is None:
        return False
    level, budget = thinking.enum("thinkingLevel", THINKING_LEVEL), thinking.integer("thinkingBudget")
    shown = thinking.boolean("includeThoughts")
    thinking.finish()
    if level is not None:
        if level not in _EFFORTS:
            thinking.wrong("thinkingLevel", f"must be one of {', '.join(_EFFORTS)}")
        config.reasoning.effort = _EFFORTS[level]
    elif budget is not None and budget != _DYNAMIC:
        if budget < 0:
            thinking.wrong("thinkingBudget", "must be a number of tokens, 0 for none, or -1 to leave it to the model")
        if budget:
            config.reasoning.budget_tokens = budget
        else:
            config.reasoning.effort = v1.REASONING_EFFORT_NONE
    thinks = config.reasoning.effort != v1.REASONING_EFFORT_NONE
    if thinks and shown != config.HasField("reasoning"):  # who sets an amount is shown the thoughts by default
        hidden, visible = v1.REASONING_VISIBILITY_HIDDEN, v1.REASONING_VISIBILITY_VISIBLE
        config.reasoning.visibility = visible if shown else hidden
    return shown

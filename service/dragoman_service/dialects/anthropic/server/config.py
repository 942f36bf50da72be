"""Decodes how to generate the answer: limits, sampling, thinking, effort and format."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.dialects.anthropic.efforts import EFFORTS
from dragoman_service.dialects.reading import Reader, json_text

_DISPLAYS = {"summarized": v1.REASONING_VISIBILITY_VISIBLE, "omitted": v1.REASONING_VISIBILITY_HIDDEN}
_THINKING = ("enabled", "adaptive", "disabled", "between_tools")


def decode_config(reader: Reader) -> tuple[v1.GenerationConfig, bool]:
    """The config, and whether the answer has blocks of thinking. Raises INVALID_FIELD."""
    config = v1.GenerationConfig(stop_sequences=reader.texts("stop_sequences"))
    for name in ("temperature", "top_p"):
        if (number := reader.number(name)) is not None:
            setattr(config, name, number)
    for name, key in (("max_output_tokens", "max_tokens"), ("top_k", "top_k")):
        if (count := reader.integer(key)) is not None:
            setattr(config, name, count)
    thinks = _decode_thinking(reader, config)
    output = reader.object("output_config")
    if output is not None:
        _decode_output(output, config)
    if (old := reader.object("output_format")) is not None:  # its name before it moved
        _decode_format(old, config)
    if thinks and not config.HasField("reasoning"):  # it leaves the amount to the model
        config.reasoning.visibility = v1.REASONING_VISIBILITY_VISIBLE
    return config, thinks


def _decode_thinking(reader: Reader, config: v1.GenerationConfig) -> bool:
    thinking = reader.object("thinking")
    if thinking is None:
        return False
    kind, budget = thinking.text("type"), thinking.integer("budget_tokens")
    display = thinking.text("display")
    thinking.finish()
    if kind not in _THINKING:
        thinking.wrong("type", f"must be one of {', '.join(_THINKING)}")
    if display is not None and display not in _DISPLAYS:
        thinking.wrong("display", f"must be one of {', '.join(_DISPLAYS)}")
    if kind in ("disabled", "between_tools"):  # the latter lets a model say what it does between calls
        config.reasoning.effort = v1.REASONING_EFFORT_NONE
        return kind != "disabled"
    if kind == "enabled":
        if budget is None or budget < 1:
            thinking.wrong("budget_tokens", "is required: the number of tokens to think for")
        config.reasoning.budget_tokens = budget
    if display is not None:
        config.reasoning.visibility = _DISPLAYS[display]
    return True


def _decode_output(output: Reader, config: v1.GenerationConfig) -> None:
    effort, form = output.text("effort"), output.object("format")
    if effort is not None:
        if effort not in EFFORTS:
            output.wrong("effort", f"must be one of {', '.join(EFFORTS)}")
        if config.reasoning.effort or config.reasoning.HasField("budget_tokens"):
            output.notes.leave_out(output.at("effort"), "The parameter thinking says how much to think.")
        else:
            config.reasoning.effort = EFFORTS[effort]
    if form is not None:
        _decode_format(form, config)
    output.ignore({"task_budget": "This service does not know budgets of tasks."})
    output.finish()


def _decode_format(form: Reader, config: v1.GenerationConfig) -> None:
    if form.text("type") != "json_schema":
        form.wrong("type", "must be json_schema")
    schema = form.plain("schema")
    if schema is None:
        form.wrong("schema", "is required")
    name = form.text("name") or ""
    form.finish()
    config.response_format.json_schema.CopyFrom(v1.JsonSchema(schema_json=json_text(schema), name=name))

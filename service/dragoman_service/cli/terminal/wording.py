"""Texts for people from messages of the API: answers, usage, states and times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from dragoman import v1
from google.protobuf.timestamp_pb2 import Timestamp

State = v1.CompletionOperationMetadata.State
_WITHHELD = (v1.FINISH_REASON_CONTENT_FILTER, v1.FINISH_REASON_RECITATION)


def answer_text(completion: v1.Completion, index: int = 0) -> str:
    """Text or refusal of choice number `index`, without reasoning; each tool call is on a line of its own."""
    text = ""
    for part in (part for choice in completion.choices if choice.index == index for part in choice.message.parts):
        if part.HasField("tool_call"):
            text += f"{own_line(text)}{call_text(part.tool_call.name)}{part.tool_call.arguments_json}\n"
        else:
            text += part.text or part.refusal
    return text


def call_text(name: str) -> str:
    """The start of a tool call's line; its arguments follow verbatim."""
    return f"call {name} "


def own_line(before: str) -> str:
    """The newline that ends `before`, or nothing if it is at the start of a line."""
    return "\n" if before and not before.endswith("\n") else ""


def usage_line(completion: v1.Completion) -> str:
    """Usage, finish reasons and model of a completion, in one line."""
    ends = ", ".join(_end_text(choice, completion.prompt_safety) for choice in completion.choices)
    return f"{usage_text(completion.usage)} · {ends} · {completion.provider}/{completion.served_model}"


def _end_text(choice: v1.Choice, prompt: v1.SafetyAssessment) -> str:
    """The finish reason, and the categories for which a filter or the provider withheld text."""
    reason = v1.FinishReason.Name(choice.finish_reason).removeprefix("FINISH_REASON_")
    categories = sorted({one.category for found in (prompt, choice.safety) for one in found.ratings if one.blocked})
    return f"{reason} ({', '.join(categories)})" if categories else reason


def withheld_line(completion: v1.Completion) -> str:
    """Why a filter or the provider withheld the answer or its rest; empty if they did not."""
    ends = [choice for choice in completion.choices if choice.finish_reason in _WITHHELD]
    if not ends:
        return ""
    what = "The prompt was refused" if completion.prompt_safety.blocked else "The answer was withheld from here on"
    reason = completion.prompt_safety.message or ends[0].safety.message
    return f"{what}: {reason}" if reason else f"{what}: {_end_text(ends[0], completion.prompt_safety)}."


def usage_text(usage: v1.Usage) -> str:
    """A text such as `24 input + 10 output = 34 tokens`."""
    marks = [word for word, is_so in (("estimated", usage.estimated), ("partial", usage.partial)) if is_so]
    text = f"{usage.input_tokens} input + {usage.output_tokens} output = {usage.total_tokens} tokens"
    return f"{text} ({', '.join(marks)})" if marks else text


def state_text(metadata: v1.CompletionOperationMetadata) -> str:
    """The state without its prefix, such as `RUNNING`."""
    return State.Name(metadata.state).removeprefix("STATE_")


def time_text(time: Timestamp) -> str:
    """The time in this machine's time zone, to the second."""
    return time.ToDatetime(tzinfo=UTC).astimezone().isoformat(" ", "seconds")


def labels_text(labels: Mapping[str, str]) -> str:
    """A text such as `purpose=docs team=a`."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def span_text(seconds: float) -> str:
    """A duration in its largest whole unit, such as `42 s`, `7 min`, `3 h` or `2 d`."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def seconds_between(start: Timestamp, end: Timestamp | None = None) -> float:
    """Seconds from `start` to `end`. Default: to now."""
    last = datetime.now(UTC) if end is None else end.ToDatetime(tzinfo=UTC)
    return (last - start.ToDatetime(tzinfo=UTC)).total_seconds()

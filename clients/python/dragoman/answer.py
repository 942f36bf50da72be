"""Reads the text and the tool calls of a completion."""

from __future__ import annotations

from dragoman import v1


def text_of(completion: v1.Completion, index: int = 0) -> str:
    """The text of the choice with that index, without reasoning, refusals and tool calls; empty if there is no text.

    Raises IndexError if there is no such choice.
    """
    return "".join(part.text for part in _choice(completion, index).message.parts)


def tool_calls_of(completion: v1.Completion, index: int = 0) -> list[v1.ToolCall]:
    """The tool calls that the choice with that index requests, in order.

    Raises IndexError if there is no such choice.
    """
    return [part.tool_call for part in _choice(completion, index).message.parts if part.HasField("tool_call")]


def _choice(completion: v1.Completion, index: int) -> v1.Choice:
    for choice in completion.choices:
        if choice.index == index:
            return choice
    raise IndexError(f"The completion has {len(completion.choices)} choices, none with index {index}.")

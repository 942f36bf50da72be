"""Reads what a model answered."""

from __future__ import annotations

from dragoman import v1


def text_of(completion: v1.Completion, index: int = 0) -> str:
    """The text of choice number `index`, without reasoning and refusals; empty if the model said nothing.

    Raises IndexError if there is no such choice.
    """
    for choice in completion.choices:
        if choice.index == index:
            return "".join(part.text for part in choice.message.parts)
    raise IndexError(f"The completion has {len(completion.choices)} choices, none with index {index}.")

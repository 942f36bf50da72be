"""What differs between the upstreams that speak OpenAI's dialect, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Names = Mapping[str, str]


def names(base: Names, /, *without: str, **more: str) -> Names:
    """`base` without some of its fields and with more, as field="key of the request"."""
    return MappingProxyType({**{field: key for field, key in base.items() if field not in without}, **more})


PROMPT_NAMES = names(
    {},
    max_output_tokens="max_tokens",
    temperature="temperature",
    top_p="top_p",
    stop_sequences="stop",
    seed="seed",
    choice_count="n",
    presence_penalty="presence_penalty",
    frequency_penalty="frequency_penalty",
    include_logprobs="logprobs",
    top_logprobs="logprobs",
)
CHAT_NAMES = names(PROMPT_NAMES, top_logprobs="top_logprobs", reasoning="reasoning_effort")
ALL_CHOICES = frozenset({"required", "one"})
JSON_FORMATS = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one kind of upstream wants to be spoken to. The defaults are what nearly all of them take."""

    path: str = "/chat/completions"
    """Of the endpoint for conversations, below the address of the API."""
    prompt_path: str = "/completions"
    """Of the endpoint for prompts; empty: there is none."""
    names: Names = field(default_factory=lambda: CHAT_NAMES)
    """Field of GenerationConfig → its key in the request; `a.b` is a key within an object. A field that is not here is
    not supported."""
    prompt_names: Names = field(default_factory=lambda: PROMPT_NAMES)
    """The same for prompts."""
    formats: frozenset[str] = JSON_FORMATS
    """The response formats that it can be held to."""
    prompt_formats: frozenset[str] = frozenset()
    """The same for prompts."""
    parts: frozenset[str] = frozenset()
    """The parts of an earlier answer, beyond text, that it wants back: `reasoning`, `refusal`."""
    reasoning_key: str = "reasoning_content"
    """Its name for the thoughts that it wants back."""
    developer_role: str = "system"
    data_role: str = ""
    """Its role for untrusted content; empty: it has none, and gets it quoted."""
    authors: bool = True
    """It takes the names of participants."""
    user_key: str = "user"
    """Its key for the person or program that the caller acts for; empty: it has no use for that."""
    tools: bool = True
    tool_choices: frozenset[str] = ALL_CHOICES
    """What it can be held to: `required`, any tool; `one`, this very tool."""
    allowed_tools: bool = False
    """It takes the whole list of tools and which of them are allowed; others are told of the allowed ones only."""
    parallel_tools: bool = True
    """It can be told whether one answer may hold several calls."""
    tool_names: bool = False
    """It wants the name of the function with what came of its call."""
    stream_usage: bool = True
    """It has to be asked for the usage of a stream, and may be."""
    single_choice: bool = False
    """It gives one choice a call, or reports the usage of one only: more choices are calls side by side."""
    least_top_logprobs: int = 0
    """It shows no logprobs at all with fewer."""
    continues_answer: bool = False
    """It continues a last message of the assistant, and its stream leaves that message out."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Keys sent with every request."""
    alongside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Field of GenerationConfig → keys sent along where it is set."""

    @property
    def supported_fields(self) -> list[str]:
        """`Model.supported_fields` of its models."""
        config = {f"generation_config.{name}" for name in self.names}
        formats = {f"generation_config.response_format.{name}" for name in self.formats}
        choices = {
            "tool_choice.mode": self.tools and "required" in self.tool_choices,
            "tool_choice.parallel": self.tools and self.parallel_tools,
        }
        others = {"tools": self.tools, "prompt": bool(self.prompt_path), "messages.author": self.authors}
        parts = {f"messages.{name}" for name in self.parts}
        return sorted(config | formats | parts | {name for name, has in (others | choices).items() if has})

    @property
    def conversation_fields(self) -> list[str]:
        """`Model.conversation_fields` of its models."""
        if not self.prompt_path:
            return []
        config = {f"generation_config.{name}" for name in self.names.keys() - self.prompt_names.keys()}
        formats = {f"generation_config.response_format.{name}" for name in self.formats - self.prompt_formats}
        return sorted(config | formats)


OPENAI = Quirks(parts=frozenset({"refusal"}))
"""Any upstream of which nothing more is known."""

# Penalties look back over 64 tokens unless told otherwise. It keeps as many in memory as it is told here.
_FAR_BACK = {"repeat_last_n": 4096}
_MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repeat_penalty"}

LLAMA_CPP = Quirks(
    path="/v1/chat/completions",
    prompt_path="/v1/completions",
    names=names(CHAT_NAMES, "reasoning", **_MORE),
    prompt_names=names(PROMPT_NAMES, **_MORE),
    formats=JSON_FORMATS | {"grammar"},
    prompt_formats=JSON_FORMATS | {"grammar"},
    # The model's template decides whether it sees tools and names; what it leaves out is lost without a word.
    tools=False,
    authors=False,
    user_key="",
    # Asked for a call it may answer without one, and it passes over the form that names a tool.
    tool_choices=frozenset(),
    tool_names=True,
    single_choice=True,
    least_top_logprobs=1,
    continues_answer=True,
    # Without progress a prompt is read to its end though nobody waits for it any more.
    always=MappingProxyType({"return_progress": True}),
    alongside=MappingProxyType(
        {
            # A cached prompt is read in other batches, which rounds differently: the same seed must give the same text.
            "seed": {"cache_prompt": False},
            "presence_penalty": _FAR_BACK,
            "frequency_penalty": _FAR_BACK,
            "repetition_penalty": _FAR_BACK,
        }
    ),
)
"""llama-server, which is also the runtime of the embedded model."""

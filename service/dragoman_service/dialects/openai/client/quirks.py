"""The differences between upstreams that speak OpenAI's dialect, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Names = Mapping[str, str]


def names(base: Names, /, *without: str, **more: str) -> Names:
    """`base` without some of its fields and with more of them, as field="key of the request"."""
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
DETAIL = "detail"
"""The extension of an image that says how closely the model looks at it."""
MEDIA = frozenset({"blob", "file"})
JSON_FORMATS = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one kind of upstream differs. The defaults fit nearly all of them."""

    path: str = "/chat/completions"
    """The endpoint for conversations, below the address of the API."""
    prompt_path: str = "/completions"
    """The endpoint for prompts. Empty: it has none."""
    names: Names = field(default_factory=lambda: CHAT_NAMES)
    """Field of GenerationConfig → its key in the request, where `a.b` is a key within an object. Other fields are not
    supported."""
    prompt_names: Names = field(default_factory=lambda: PROMPT_NAMES)
    """The same for prompts."""
    formats: frozenset[str] = JSON_FORMATS
    """The response formats that it enforces."""
    prompt_formats: frozenset[str] = frozenset()
    """The same for prompts."""
    parts: frozenset[str] = frozenset()
    """The parts of earlier answers, in addition to text, that it expects back: `reasoning`, `refusal`."""
    media: frozenset[str] = frozenset()
    """What its models read beside text: `blob`, bytes in the request; `file`, what an address or an id refers to."""
    reasoning_key: str = "reasoning_content"
    """Its key for the reasoning that it expects back."""
    developer_role: str = "system"
    data_role: str = ""
    """Its role for untrusted content. Empty: it has none, and such content is quoted."""
    authors: bool = True
    """It accepts the names of participants."""
    user_key: str = "user"
    """Its key for the person or program that the caller acts for. Empty: it has none."""
    tools: bool = True
    tool_choices: frozenset[str] = ALL_CHOICES
    """What it can be made to call: `required`, any tool; `one`, a named tool."""
    allowed_tools: bool = False
    """It accepts the names of the allowed tools beside all tools. Others are sent the allowed tools only."""
    parallel_tools: bool = True
    """It accepts whether one answer may hold several calls."""
    tool_names: bool = False
    """It expects the name of the function with the result of its call."""
    stream_usage: bool = True
    """It reports the usage of a stream on request."""
    whole: bool = True
    """It may be asked for a whole answer in place of a stream."""
    single_choice: bool = False
    """It gives one choice per request, or reports the usage of one only: more choices are parallel requests."""
    least_top_logprobs: int = 0
    """With fewer alternatives it sends no logprobs at all."""
    seed_bits: int = 64
    """The size of its seeds. With 64 bits they are signed, smaller ones are not negative."""
    least_top_p: float = 0.0
    """A smaller `top_p` is refused by it, and this one also leaves only the most likely token."""
    extensions: frozenset[str] = frozenset()
    """The keys of its own that it knows, wherever they are in a request."""
    any_extension: bool = False
    """All keys are passed on to it."""
    continues_answer: bool = False
    """It continues a last message of the assistant, and does not repeat that message in its stream."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Keys that every request has."""
    alongside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Field of GenerationConfig → the keys that a request with this field has in addition."""

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
        parts = {f"messages.{name}" for name in self.parts | self.media}
        keys = self.extensions | ({DETAIL} if self.media else frozenset())
        extensions = {"extensions"} if self.any_extension else {f"extensions.{key}" for key in keys}
        named = {name for name, has in (others | choices).items() if has}
        return sorted(config | formats | parts | extensions | named)

    @property
    def conversation_fields(self) -> list[str]:
        """`Model.conversation_fields` of its models."""
        if not self.prompt_path:
            return []
        config = {f"generation_config.{name}" for name in self.names.keys() - self.prompt_names.keys()}
        formats = {f"generation_config.response_format.{name}" for name in self.formats - self.prompt_formats}
        return sorted(config | formats)


OPENAI = Quirks(parts=frozenset({"refusal"}), media=MEDIA)
"""What all vendors of OpenAI's dialect share. Their rows are made from it."""
_SAMPLERS = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
ANY = Quirks(
    names=names(CHAT_NAMES, **_SAMPLERS),
    prompt_names=names(PROMPT_NAMES, **_SAMPLERS),
    parts=frozenset({"refusal", "reasoning"}),
    media=MEDIA,
    any_extension=True,
)
"""An upstream whose vendor is unknown: it gets what the caller sent."""

# Penalties look back over 64 tokens by default. The server keeps as many in memory as this says.
_FAR_BACK = {"repeat_last_n": 4096}
_MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repeat_penalty"}

LLAMA_CPP = Quirks(
    path="/v1/chat/completions",
    prompt_path="/v1/completions",
    names=names(CHAT_NAMES, "reasoning", **_MORE),
    prompt_names=names(PROMPT_NAMES, **_MORE),
    formats=JSON_FORMATS | {"grammar"},
    prompt_formats=JSON_FORMATS | {"grammar"},
    # The model's template decides whether it sees tools and names, and drops them without an error.
    tools=False,
    authors=False,
    user_key="",
    whole=False,  # only streams have reports, see `always`
    # It may answer a request that requires a call without one, and it ignores the name of a tool.
    tool_choices=frozenset(),
    tool_names=True,
    single_choice=True,
    seed_bits=31,  # of 32 bits, one value stands for a random seed
    extensions=frozenset({"logit_bias"}),
    least_top_logprobs=1,
    continues_answer=True,
    # Without progress reports, a prompt is read to its end after its caller has left.
    always=MappingProxyType({"return_progress": True}),
    alongside=MappingProxyType(
        {
            # A cached prompt is read in other batches, which round differently, but a seed must give the same text.
            "seed": {"cache_prompt": False},
            "presence_penalty": _FAR_BACK,
            "frequency_penalty": _FAR_BACK,
            "repetition_penalty": _FAR_BACK,
        }
    ),
)
"""llama-server, which also runs the embedded model."""

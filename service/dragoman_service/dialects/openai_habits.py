"""What differs between the upstreams that speak OpenAI's dialect, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_NAMES = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "seed": "seed",
    "choice_count": "n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "include_logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
}


@dataclass(frozen=True, slots=True)
class Habits:
    """How one kind of upstream wants to be spoken to. The defaults are what nearly all of them take."""

    path: str = "/chat/completions"
    """Of the endpoint, below the address of the API."""
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(_NAMES))
    """Field of GenerationConfig → its key in the request. A field that is not here is not supported."""
    formats: frozenset[str] = frozenset({"json_object", "json_schema"})
    """The response formats that it can be held to."""
    parts: frozenset[str] = frozenset()
    """The parts of an earlier answer, beyond text, that it wants back: `reasoning`, `refusal`."""
    developer_role: str = "system"
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
        formats = {f"generation_config.response_format.{name}" for name in self.formats}
        return sorted(
            {f"generation_config.{name}" for name in self.names} | formats | {f"messages.{name}" for name in self.parts}
        )


OPENAI = Habits(parts=frozenset({"refusal"}))
"""Any upstream of which nothing more is known."""

# Penalties look back over 64 tokens unless told otherwise. It keeps as many in memory as it is told here.
_FAR_BACK = {"repeat_last_n": 4096}

LLAMA_CPP = Habits(
    path="/v1/chat/completions",
    names=MappingProxyType(
        {**_NAMES, "top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repeat_penalty"},
    ),
    formats=frozenset({"json_object", "json_schema", "grammar"}),
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

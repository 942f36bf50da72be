"""Vendors whose APIs speak OpenAI's dialect, a row each: their addresses and what they do differently.

Each row names the source of its facts. A field that no source names is not claimed, so it is rejected, not dropped.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from dragoman_service.dialects.openai.client.quirks import CHAT_NAMES, LLAMA_CPP, OPENAI, PROMPT_NAMES, Quirks, names

_LOGPROBS = ("include_logprobs", "top_logprobs")
_SAMPLERS = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row."""

    quirks: Quirks
    base_url: str = ""
    """Includes the version of the API. Empty: the settings must name it."""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    models_path: str = "/models"
    """The endpoint that lists its models. Empty: it has none, and the settings must name them."""


ANY = Vendor(OPENAI)
"""For settings without a vendor."""

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        # https://api-docs.deepseek.com/api/create-chat-completion
        "deepseek": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, "seed", "reasoning"),
                formats=frozenset({"json_object"}),
                parts=frozenset(),
                prompt_path="",
                user_key="",
                single_choice=True,
                parallel_tools=False,
            ),
            "https://api.deepseek.com",
        ),
        # https://docs.grayswan.ai/cygnal/creating-completions, and its OpenAPI. It expects a header `policy-id`, and
        # passes the request on to another vendor.
        "gray-swan": Vendor(
            replace(OPENAI, prompt_path=""),
            "https://api.grayswan.ai/cygnal/v1",
            key_header="grayswan-api-key",
            key_prefix="",
        ),
        # The types of the package grayswan-api 0.1.0a49: no role for tool results, no option to request usage.
        "gray-swan-cygnet": Vendor(
            Quirks(
                path="/chat/completion",
                prompt_path="",
                names=names(
                    {},
                    max_output_tokens="max_tokens",
                    temperature="temperature",
                    top_p="top_p",
                    choice_count="n",
                    frequency_penalty="frequency_penalty",
                ),
                formats=frozenset(),
                data_role="data",
                authors=False,
                user_key="",
                tools=False,
                stream_usage=False,
            ),
            "https://api.grayswan.ai",
            models_path="",
        ),
        # https://console.groq.com/docs/openai and /docs/api-reference; no JSON formats in streams.
        "groq": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS, max_output_tokens="max_completion_tokens"),
                formats=frozenset(),
                parts=frozenset(),
                prompt_path="",
                authors=False,
                single_choice=True,
            ),
            "https://api.groq.com/openai/v1",
        ),
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; tools need a template that has them.
        "llama-cpp": Vendor(
            replace(LLAMA_CPP, path="/chat/completions", prompt_path="/completions", tools=True),
            "http://127.0.0.1:8080/v1",
        ),
        # https://docs.mistral.ai/api and the types of its package mistralai
        "mistral": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS, "reasoning", seed="random_seed"),
                parts=frozenset(),
                prompt_path="",
                authors=False,
                user_key="",
                tool_names=True,
                stream_usage=False,
            ),
            "https://api.mistral.ai/v1",
        ),
        # https://github.com/ollama/ollama/blob/main/openai/openai.go and docs.ollama.com/api/openai-compatibility
        "ollama": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS),
                prompt_names=names(PROMPT_NAMES, *_LOGPROBS),
                parts=frozenset({"reasoning"}),
                reasoning_key="reasoning",
                authors=False,
                user_key="",
                tool_choices=frozenset(),
                tool_names=True,
                single_choice=True,
                parallel_tools=False,
            ),
            "http://127.0.0.1:11434/v1",
        ),
        # https://github.com/openai/openai-openapi and the types of its package openai 2.54
        "openai": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, max_output_tokens="max_completion_tokens"),
                developer_role="developer",
                allowed_tools=True,
            ),
            "https://api.openai.com/v1",
        ),
        # https://openrouter.ai/docs/api-reference/overview and /parameters
        "openrouter": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, reasoning="reasoning.effort", **_SAMPLERS),
                parts=frozenset({"reasoning"}),
                reasoning_key="reasoning",
                prompt_path="",
                single_choice=True,
            ),
            "https://openrouter.ai/api/v1",
        ),
        # https://www.scaleway.com/en/docs/generative-apis/api-cli/using-chat-api and /how-to/query-reasoning-models
        "scaleway": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, "frequency_penalty", "top_logprobs"),
                prompt_names=names(PROMPT_NAMES, "frequency_penalty", *_LOGPROBS),
                parts=frozenset(),
                authors=False,
                user_key="",
                single_choice=True,
                parallel_tools=False,
            ),
            "https://api.scaleway.ai/v1",
        ),
        # https://github.com/togethercomputer/openapi; its chat logprobs have a format of their own.
        "together": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS, **_SAMPLERS),
                prompt_names=names(PROMPT_NAMES, **_SAMPLERS),
                parts=frozenset(),
                user_key="",
                parallel_tools=False,
            ),
            "https://api.together.xyz/v1",
        ),
        # https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/protocol.py
        "vllm": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, max_output_tokens="max_completion_tokens", **_SAMPLERS),
                prompt_names=names(PROMPT_NAMES, **_SAMPLERS),
                parallel_tools=False,
            ),
            "http://127.0.0.1:8000/v1",
        ),
    }
)


def vendor_of(name: str | None) -> Vendor:
    """The row of that name, `ANY` for None. Raises ValueError with the most similar name."""
    if name is None:
        return ANY
    if name not in VENDORS:
        near = difflib.get_close_matches(name.lower(), VENDORS, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(VENDORS)}"
        raise ValueError(f"unknown vendor; {hint} (for any other vendor, leave it out and set base_url)")
    return VENDORS[name]

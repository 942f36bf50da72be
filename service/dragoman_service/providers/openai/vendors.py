"""Upstreams that speak OpenAI's dialect, a row each: where they are and what they do differently.

Each row says where its facts are from. A field that no source names is not claimed: it is refused, not dropped.
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
    """Up to and with the version of the API. Empty: the settings have to say it."""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    models_path: str = "/models"
    """Where its models are listed; empty: nowhere, the settings have to name them."""


ANY = Vendor(OPENAI)
"""Where the settings name no vendor."""

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
        # https://docs.grayswan.ai/cygnal/creating-completions, and its OpenAPI. It wants a header `policy-id` besides,
        # and passes the rest on to another vendor.
        "gray-swan": Vendor(
            replace(OPENAI, prompt_path=""),
            "https://api.grayswan.ai/cygnal/v1",
            key_header="grayswan-api-key",
            key_prefix="",
        ),
        # The types of the package grayswan-api 0.1.0a49: no role for what came of tools, nothing to ask for usage.
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
        # https://console.groq.com/docs/openai and /docs/api-reference; no JSON formats while it streams.
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
        # https://github.com/togethercomputer/openapi; its logprobs of a conversation have a form of their own.
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
    """The row of that name, or that of an upstream of which nothing is known. Raises ValueError with the nearest."""
    if name is None:
        return ANY
    if name not in VENDORS:
        near = difflib.get_close_matches(name.lower(), VENDORS, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(VENDORS)}"
        raise ValueError(f"unknown vendor {name!r}; {hint} (for any other leave it out and set base_url)")
    return VENDORS[name]

"""Vendors whose APIs speak OpenAI's dialect, a row each: their addresses and what they do differently.

Each row names the source of its facts. A field that no source names is not claimed, so it is rejected, not dropped.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from dragoman_service.dialects.openai.client.quirks import (
    ANY,
    CHAT_NAMES,
    LLAMA_CPP,
    MEDIA,
    OPENAI,
    PROMPT_NAMES,
    Quirks,
    names,
)
from dragoman_service.providers.openai.vendor import RESOURCE, Vendor

_LOGPROBS = ("include_logprobs", "top_logprobs")
_PENALTIES = ("presence_penalty", "frequency_penalty")
_SAMPLERS = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}


def _keys(words: str) -> frozenset[str]:
    return frozenset(words.split())


ANY_VENDOR = Vendor(ANY)
"""For settings without a vendor."""

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle and /azure/ai-services/openai/reference
        "azure": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, max_output_tokens="max_completion_tokens"),
                developer_role="developer",
                extensions=_keys("data_sources logit_bias prediction verbosity"),
            ),
            f"https://{RESOURCE}.openai.azure.com/openai/v1",
            key_header="api-key",
            key_prefix="",
            models_path="",
            deployments=True,
        ),
        # https://inference-docs.cerebras.ai/resources/openai and /api-reference/chat-completions
        "cerebras": Vendor(
            replace(
                OPENAI,
                media=frozenset(),
                names=names(CHAT_NAMES, *_PENALTIES, max_output_tokens="max_completion_tokens"),
                parts=frozenset(),
                prompt_path="",
                authors=False,
                tool_choices=frozenset(),
                parallel_tools=False,
                single_choice=True,
                extensions=_keys("clear_thinking reasoning_format"),
            ),
            "https://api.cerebras.ai/v1",
        ),
        # https://api-docs.deepseek.com/api/create-chat-completion
        "deepseek": Vendor(
            replace(
                OPENAI,
                media=frozenset(),
                names=names(CHAT_NAMES, "seed", "reasoning"),
                formats=frozenset({"json_object"}),
                parts=frozenset({"reasoning"}),  # https://api-docs.deepseek.com/guides/thinking_mode demands it
                extensions=frozenset({"thinking"}),
                prompt_path="",
                user_key="",
                single_choice=True,
                parallel_tools=False,
            ),
            "https://api.deepseek.com",
        ),
        # https://docs.fireworks.ai/tools-sdks/openai-compatibility; its logprobs have a format of their own.
        "fireworks": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS, **_SAMPLERS),
                prompt_names=names(PROMPT_NAMES, *_LOGPROBS, **_SAMPLERS),
                parts=frozenset(),
                authors=False,
                parallel_tools=False,
                extensions=_keys("context_length_exceeded_behavior prompt_truncate_len perf_metrics_in_response"),
            ),
            "https://api.fireworks.ai/inference/v1",
        ),
        # https://docs.grayswan.ai/cygnal/creating-completions, and its OpenAPI. It expects a header `policy-id`, and
        # passes the request on to another vendor.
        "gray-swan": Vendor(
            replace(OPENAI, prompt_path="", media=frozenset()),
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
        # https://console.groq.com/docs/openai and /docs/api-reference, and the types of its package groq; no JSON
        # formats in streams; penalties and `logit_bias` are "not yet supported by any of our models".
        "groq": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, *_LOGPROBS, *_PENALTIES, max_output_tokens="max_completion_tokens"),
                formats=frozenset(),
                parts=frozenset(),
                prompt_path="",
                authors=False,
                single_choice=True,
                extensions=_keys(
                    "citation_options disable_tool_validation documents include_reasoning reasoning_format"
                )
                | _keys("compound_custom exclude_domains include_domains search_settings service_tier"),
            ),
            "https://api.groq.com/openai/v1",
        ),
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; tools need a template that has them.
        "llama-cpp": Vendor(
            replace(
                LLAMA_CPP,
                media=MEDIA,
                path="/chat/completions",
                prompt_path="/completions",
                tools=True,
                parts=frozenset({"reasoning"}),
                extensions=LLAMA_CPP.extensions
                | _keys("chat_template_kwargs reasoning_format samplers ignore_eos mirostat mirostat_tau mirostat_eta")
                | _keys("typical_p dynatemp_range dynatemp_exponent xtc_probability xtc_threshold dry_multiplier")
                | _keys(
                    "dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers min_keep t_max_predict_ms"
                )
                | _keys("top_n_sigma"),
            ),
            "http://127.0.0.1:8080/v1",
        ),
        # https://docs.mistral.ai/api and the types of its package mistralai, whose efforts are `none` and `high` only
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
                extensions=_keys("guardrails safe_prompt prediction prompt_mode"),
            ),
            "https://api.mistral.ai/v1",
        ),
        # https://github.com/ollama/ollama/blob/main/openai/openai.go and docs.ollama.com/api/openai-compatibility
        "ollama": Vendor(
            replace(
                OPENAI,
                media=frozenset({"blob"}),
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
                extensions=_keys("logit_bias prediction prompt_cache_key prompt_cache_retention service_tier verbosity")
                | _keys("web_search_options"),
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
                extensions=_keys(
                    "usage provider reasoning models route transforms plugins include_reasoning logit_bias"
                )
                | _keys(
                    "top_a prediction verbosity web_search_options cache_control reasoning_details debug session_id"
                )
                | _keys("trace"),
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
                least_top_p=1e-6,
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
                extensions=_keys("logit_bias safety_model context_length_exceeded_behavior chat_template_kwargs")
                | _keys("compliance reasoning"),
            ),
            "https://api.together.xyz/v1",
        ),
        # https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/chat_completion/protocol.py; `guided_*`
        # are those of releases before 0.12. `priority` and transfer parameters are the operator's business.
        "vllm": Vendor(
            replace(
                OPENAI,
                names=names(CHAT_NAMES, max_output_tokens="max_completion_tokens", **_SAMPLERS),
                prompt_names=names(PROMPT_NAMES, **_SAMPLERS),
                parallel_tools=False,
                parts=frozenset({"refusal", "reasoning"}),
                least_top_p=1e-6,
                extensions=_keys("logit_bias chat_template_kwargs include_reasoning structured_outputs guided_json")
                | _keys("guided_regex guided_choice guided_grammar min_tokens ignore_eos stop_token_ids bad_words")
                | _keys("allowed_token_ids length_penalty skip_special_tokens spaces_between_special_tokens")
                | _keys("truncate_prompt_tokens truncation_side documents mm_processor_kwargs cache_salt chat_template")
                | _keys("add_generation_prompt add_special_tokens continue_final_message include_stop_str_in_output")
                | _keys("logprob_token_ids thinking_token_budget use_beam_search"),
            ),
            "http://127.0.0.1:8000/v1",
        ),
        # https://docs.x.ai/docs/api-reference#chat-completions; its models that reason refuse penalties and `stop`.
        "xai": Vendor(
            replace(OPENAI, parts=frozenset(), prompt_path="", authors=False),
            "https://api.x.ai/v1",
        ),
    }
)


def vendor_of(name: str | None) -> Vendor:
    """The row of that name, `ANY_VENDOR` for None. Raises ValueError with the most similar name."""
    if name is None:
        return ANY_VENDOR
    if name not in VENDORS:
        near = difflib.get_close_matches(name.lower(), VENDORS, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(VENDORS)}"
        raise ValueError(f"unknown vendor; {hint} (for any other vendor, leave it out and set base_url)")
    return VENDORS[name]

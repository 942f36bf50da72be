"""Encodes the log probabilities of tokens: one shape for chat completions, another for legacy completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import v1

Token = v1.TokenLogprob | v1.TopLogprob
Wire = dict[str, Any]

LEAST = -9999.0  # OpenAI's value for an impossible token, because JSON has no infinity


def chat_logprobs(tokens: Sequence[v1.TokenLogprob], *, of_refusal: bool = False) -> Wire | None:
    """The `logprobs` of a chat choice, None if it has none."""
    if not tokens:
        return None
    listed = [{**_token(token), "top_logprobs": [_token(top) for top in token.top_logprobs]} for token in tokens]
    return {"content": None, "refusal": listed} if of_refusal else {"content": listed, "refusal": None}


def legacy_logprobs(tokens: Sequence[v1.TokenLogprob], start: int = 0) -> Wire | None:
    """The `logprobs` of a legacy choice: parallel lists, None if there are no tokens.

    `text_offset` counts characters; `start` is the number of characters that the choice had before these tokens.
    """
    if not tokens:
        return None
    offsets = [start]
    for token in tokens[:-1]:
        offsets.append(offsets[-1] + len(token.token))
    return {
        "tokens": [_shown(token) for token in tokens],
        "token_logprobs": [max(token.logprob, LEAST) for token in tokens],
        "top_logprobs": [{_shown(top): max(top.logprob, LEAST) for top in token.top_logprobs} for token in tokens],
        "text_offset": offsets,
    }


def _token(token: Token) -> Wire:
    return {"token": token.token, "logprob": max(token.logprob, LEAST), "bytes": list(token.bytes)}


def _shown(token: Token) -> str:
    r"""The token as text; its bytes, as in `bytes:\xe2\x80`, if it ends within a character."""
    try:
        return token.bytes.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.bytes)

"""Encodes models and tokens."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1
from dragoman.dialect.xai import v1 as x

_PRICE = 100_000  # billionths of a dollar per million tokens in a cent per 100 million
_MEDIA = frozenset({"messages.blob", "messages.file"})


def encode_model(name: str, model: v1.Model, aliases: Sequence[str] = ()) -> x.LanguageModel:
    """The model under that name. Prices are 0 if they are not known."""
    takes = [x.TEXT, x.IMAGE] if _MEDIA & set(model.supported_fields) else [x.TEXT]
    price = model.pricing
    cached = price.cached_input if price.HasField("cached_input") else price.input
    return x.LanguageModel(
        name=name,
        aliases=aliases,
        version=model.provider_model,
        input_modalities=takes,
        output_modalities=[x.TEXT],
        prompt_text_token_price=round(price.input / _PRICE),
        cached_prompt_token_price=round(cached / _PRICE),
        completion_text_token_price=round(price.output / _PRICE),
        max_prompt_length=model.context_window_tokens,
    )


def encode_tokens(response: v1.TokenizeResponse, model: str) -> x.TokenizeTextResponse:
    """The tokens of a text."""
    tokens = (
        x.Token(token_id=token.id, string_token=token.text, token_bytes=token.text.encode())
        for token in response.tokens
    )
    return x.TokenizeTextResponse(tokens=tokens, model=model)

"""Tokens of texts and prompts, exactly as the embedded model sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.openai.client.errors import decode_error
from dragoman_service.dialects.openai.client.json import json_bytes
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.dialects.openai.client.request import encode_chat
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.local.weights.gguf import control_tokens
from dragoman_service.providers.upstream.connection import Http, HttpError
from dragoman_service.providers.upstream.errors import error_of


class LocalTokenizer:
    """Asks the engine behind `http`. The file of `weights` says which tokens are special."""

    def __init__(self, http: Http, quirks: Quirks, weights: Path) -> None:
        self._http = http
        self._quirks = quirks
        self._weights = weights
        self._control: frozenset[int] | None = None

    async def count(self, request: v1.CompletionRequest) -> int:
        """The number of tokens of the request's prompt, including the template."""
        body = {"content": await self._prompt(request), "add_special": True, "parse_special": True}
        return len(_tokens(await self._post("/tokenize", body)))

    async def split_prompt(self, request: v1.CompletionRequest) -> list[v1.Token]:
        """The tokens of the request's prompt, including the template."""
        return await self._split(await self._prompt(request), template=True)

    async def split_text(self, text: str) -> list[v1.Token]:
        """The tokens of a text, in which marks of the template have no special meaning."""
        return await self._split(text, template=False)

    async def _split(self, text: str, *, template: bool) -> list[v1.Token]:
        body = {"content": text, "add_special": template, "parse_special": template, "with_pieces": True}
        answer = await self._post("/tokenize", body)
        # In a thread, because the tokens of a long text would hold up all other calls.
        return await asyncio.to_thread(self._described, answer)

    async def _prompt(self, request: v1.CompletionRequest) -> str:
        if not request.messages:
            return request.prompt
        answer = await self._post("/apply-template", encode_chat(request, self._quirks, 0))
        prompt = _object(answer).get("prompt")
        if not isinstance(prompt, str):
            raise malformed_answer("sent no prompt with its template applied")
        return prompt

    async def _post(self, path: str, body: Mapping[str, Any]) -> bytes:
        try:
            answer = await self._http.post(path, json_bytes(body))
        except HttpError as failure:
            raise error_of(failure) from failure
        if answer.status != 200:
            raise decode_error(HttpErrorResponse(answer.status, answer.body, answer.headers))
        return answer.body

    def _described(self, answer: bytes) -> list[v1.Token]:
        if self._control is None:
            self._control = control_tokens(self._weights)
        try:
            return [
                v1.Token(id=token["id"], text=_text(token["piece"]), special=token["id"] in self._control)
                for token in _tokens(answer)
            ]
        except (KeyError, TypeError, ValueError):
            raise malformed_answer("sent tokens that make no sense") from None


def _text(piece: str | list[int]) -> str:
    return piece if isinstance(piece, str) else bytes(piece).decode(errors="replace")


def _tokens(answer: bytes) -> list[Any]:
    tokens = _object(answer).get("tokens")
    if not isinstance(tokens, list):
        raise malformed_answer("sent tokens that are not a list")
    return tokens


def _object(answer: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(answer)
    except ValueError:
        raise malformed_answer("sent an answer that is not valid JSON") from None
    return value if isinstance(value, dict) else {}

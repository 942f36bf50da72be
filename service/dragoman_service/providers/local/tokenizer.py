"""Tokens of texts and prompts, exactly as the embedded model sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

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
from dragoman_service.timing.slots import Slots

T = TypeVar("T")
TURNS = 2  # questions that the engine works on at a time


class LocalTokenizer:
    """Asks the engine behind `http`, at most `turns` times at once. The file `weights` says which tokens are special.

    The engine does not notice that a caller has left, and works on. Therefore a question that it has keeps its turn
    until it is answered, and one that still waits for a turn never reaches the engine.
    """

    def __init__(self, http: Http, quirks: Quirks, weights: Path, turns: int = TURNS) -> None:
        self._http = http
        self._quirks = quirks
        self._weights = weights
        self._control: frozenset[int] | None = None
        self._slots = Slots(turns)

    async def count(self, request: v1.CompletionRequest) -> int:
        """The number of tokens of the request's prompt, including the template."""
        body = {"content": await self._prompt(request), "add_special": True, "parse_special": True}
        return await self._ask("/tokenize", body, lambda answer: len(_tokens(answer)))

    async def split_prompt(self, request: v1.CompletionRequest) -> list[v1.Token]:
        """The tokens of the request's prompt, including the template."""
        return await self._split(await self._prompt(request), template=True)

    async def split_text(self, text: str) -> list[v1.Token]:
        """The tokens of a text, in which marks of the template have no special meaning."""
        return await self._split(text, template=False)

    async def _split(self, text: str, *, template: bool) -> list[v1.Token]:
        body = {"content": text, "add_special": template, "parse_special": template, "with_pieces": True}
        return await self._ask("/tokenize", body, self._described)

    async def _prompt(self, request: v1.CompletionRequest) -> str:
        if not request.messages:
            return request.prompt
        return await self._ask("/apply-template", encode_chat(request, self._quirks, 0), _prompt)

    async def _ask(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], T]) -> T:
        """What `read` makes of the answer. It runs in a thread, because a long answer would hold up all other calls."""
        return await self._slots.run(lambda: self._answer(path, body, read))

    async def _answer(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], T]) -> T:
        try:
            answer = await self._http.post(path, json_bytes(body))
        except HttpError as failure:
            raise error_of(failure) from failure
        if answer.status != 200:
            raise decode_error(HttpErrorResponse(answer.status, answer.body, answer.headers))
        return await asyncio.to_thread(read, answer.body)

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


def _prompt(answer: bytes) -> str:
    prompt = _object(answer).get("prompt")
    if not isinstance(prompt, str):
        raise malformed_answer("sent no prompt with its template applied")
    return prompt


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

"""An endpoint for moderation that objects to certain words, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from dragoman_service.contract import Filter
from dragoman_service.filters.safety.moderation.filter import make_moderation
from dragoman_service.filters.safety.moderation.settings import ModerationSettings
from filtered import context_of


class Endpoint:
    """Scores each text by the worst word of `scores` in it; from 0.5 on it is flagged."""

    def __init__(self, scores: Mapping[str, float]) -> None:
        self.scores, self.bodies = scores, list[Any]()
        self.headers: list[Mapping[str, str]] = []
        self.url = ""
        self.answer: tuple[int, Any] | None = None
        """The status and body of what it answers in place of verdicts."""
        self.silent = False

    async def moderate(self, request: web.Request) -> web.Response:
        if self.silent:
            await asyncio.Event().wait()
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(request.headers)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        if self.answer is not None:
            status, content = self.answer
            text = content if isinstance(content, str) else json.dumps(content)
            return web.Response(status=status, text=text, content_type="application/json")
        return web.json_response({"id": "1", "results": [self._result(text) for text in texts]})

    def _result(self, text: str) -> dict[str, Any]:
        score = max((score for word, score in self.scores.items() if word in text.lower()), default=0.01)
        flags = {"violence": score >= 0.5, "hate": False}
        return {
            "flagged": any(flags.values()),
            "categories": flags,
            "category_scores": {"violence": score, "hate": 0.0},
        }


@asynccontextmanager
async def judging(scores: Mapping[str, float]) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(scores)
    app = web.Application()
    app.router.add_post("/v1/moderations", endpoint.moderate)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{port}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@asynccontextmanager
async def moderation(url: str, **settings: Any) -> AsyncIterator[Filter]:
    read = ModerationSettings.model_validate({"base_url": url, **settings})
    async with make_moderation(read, context_of("judge")) as wrap:
        yield wrap

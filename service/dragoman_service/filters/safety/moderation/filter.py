"""Blocks what an endpoint for moderation objects to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from dragoman import v1

from dragoman_service.contract import Call, Filter
from dragoman_service.filters.context import FilterContext
from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.holding.filtering import judged_by
from dragoman_service.filters.safety.holding.judge import PromptVerdict
from dragoman_service.filters.safety.matching.documents import revealed
from dragoman_service.filters.safety.moderation.endpoint import Endpoint
from dragoman_service.filters.safety.moderation.findings import Findings, Thresholds, categories_of
from dragoman_service.filters.safety.moderation.settings import ModerationSettings
from dragoman_service.providers.upstream.http import open_http


@asynccontextmanager
async def make_moderation(settings: ModerationSettings, context: FilterContext) -> AsyncIterator[Filter]:
    """The filter, and its connections to the endpoint."""
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with open_http(
        str(settings.base_url), headers=headers, connect_timeout=settings.timeout, ca_file=settings.ca_file
    ) as http:
        endpoint = Endpoint(http, settings, context.name)
        honours = [f"safety_settings.{category}" for category in categories_of(settings)]
        yield judged_by(lambda request, call: _Judge(endpoint, settings, context.name, request, call), honours)


class _Judge:
    """One call."""

    def __init__(
        self, endpoint: Endpoint, settings: ModerationSettings, name: str, request: v1.CompletionRequest, call: Call
    ) -> None:
        self._endpoint, self.settings, self._name, self._call = endpoint, settings, name, call
        self._thresholds = Thresholds(settings, request, name)
        self.warnings = self._thresholds.warnings
        self.begun = False
        """Whether a part of the answer has left."""

    async def prompt(self, request: v1.CompletionRequest) -> PromptVerdict:
        if self.settings.on == "answer":
            return PromptVerdict(request)
        findings = self.findings()
        blocked = await self.judge(list(_texts(request)), findings)
        return PromptVerdict(None if blocked else request, findings.assessment())

    def choice(self, index: int) -> _Choice:
        return _Choice(self)

    def findings(self) -> Findings:
        return Findings(self._thresholds, self._name)

    async def judge(self, texts: Sequence[str], findings: Findings) -> bool:
        """Whether the texts are blocked."""
        return findings.add(await self._endpoint.verdicts(texts, self._call, begun=self.begun))


class _Choice:
    """One choice of an answer."""

    def __init__(self, judge: _Judge) -> None:
        self._judge, self._findings = judge, judge.findings()

    def text(self, kind: str) -> _Intervals:
        return _Intervals(self)

    async def tool_call(self, call: v1.ToolCall) -> v1.ToolCall | None:
        texts = dict.fromkeys((call.name, *revealed(call.arguments_json), *call.extensions.values()))
        return None if await self.blocks("\n".join(texts)) else call

    def conceals(self, text: str) -> bool:
        """Texts beside the answer repeat it, and are not judged on their own."""
        return False

    def assessment(self) -> v1.SafetyAssessment | None:
        return self._findings.assessment()

    @property
    def interval(self) -> int:
        """Characters that are judged at a time; 0 if answers are not judged."""
        return 0 if self._judge.settings.on == "prompt" else self._judge.settings.interval

    async def blocks(self, text: str) -> bool:
        """Whether the text is blocked. If not, it leaves."""
        blocked = bool(self.interval) and await self._judge.judge([text], self._findings)
        self._judge.begun = self._judge.begun or not blocked
        return blocked


class _Intervals:
    """A text, judged at every so many characters together with as many before them, wherever it is cut."""

    def __init__(self, choice: _Choice) -> None:
        self._choice = choice
        self._before = self._held = ""
        self._start = 0

    async def feed(self, text: str) -> Decided:
        interval = self._choice.interval
        self._held += text
        pieces: list[Piece] = []
        while self._held and len(self._held) >= interval:
            length = interval or len(self._held)
            if await self._decide(length, pieces):
                return Decided(pieces, blocked=True)
        return Decided(pieces)

    async def end(self) -> Decided:
        pieces: list[Piece] = []
        blocked = bool(self._held) and await self._decide(len(self._held), pieces)
        return Decided(pieces, blocked)

    async def _decide(self, length: int, pieces: list[Piece]) -> bool:
        """Whether the next characters are blocked. If not, they are added to `pieces`."""
        text, self._held = self._held[:length], self._held[length:]
        if await self._choice.blocks(self._before + text):
            return True
        pieces.append(Piece(self._start, self._start + length, text))
        self._start += length
        self._before = (self._before + text)[-self._choice.interval :] if self._choice.interval else ""
        return False


def _texts(request: v1.CompletionRequest) -> Iterator[str]:
    """The texts of a prompt, one for each message."""
    yield request.prompt
    for message in request.messages:
        yield "\n".join(text for part in message.parts for text in _texts_of(part))
        yield "".join(part.text for part in message.parts) if len(message.parts) > 1 else ""


def _texts_of(part: v1.Part) -> Iterator[str]:
    match part.WhichOneof("content"):
        case "tool_call":
            yield from dict.fromkeys(revealed(part.tool_call.arguments_json))
        case "tool_result":
            yield part.tool_result.text
        case "reasoning":
            yield part.reasoning.text
        case "refusal":
            yield part.refusal
        case _:
            yield part.text

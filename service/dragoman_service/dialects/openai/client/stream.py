"""Decodes the body of an answer, cut anywhere into pieces: server-sent events, or a complete JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman import v1

from dragoman_service.dialects.openai.client.json import is_json
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.sse import DONE, JsonEvents, SseDecoder
from dragoman_service.errors import CompletionError, malformed_answer

MAX_COMPLETE = 16 * 1024 * 1024  # bytes of a complete answer, and of one event
_EVENT_FIELDS = (b"data:", b"event:", b"id:", b":")
_TELLING = max(map(len, _EVENT_FIELDS))  # of the first bytes


class StreamDecoder:
    """The `EventDecoder` of this dialect: `answer` decodes the JSON texts that it finds in the body.

    The first bytes show which format the body has, because servers send a complete answer to a request for a stream,
    and name the wrong content type. `is_json`: the content type says JSON, which decides if the first bytes do not.
    """

    def __init__(self, answer: AnswerDecoder, *, is_json: bool = False) -> None:
        self._answer = answer
        self._is_json = is_json
        self._events: SseDecoder | None = None
        self._body: list[bytes] = []  # of a complete answer, or what has come before the format is known
        self._size = 0  # of all of it
        self._start = b""  # its first bytes, which tell the format
        self._has_text = False
        """A JSON text was decoded. Comments and incomplete texts are none."""

    @property
    def ended(self) -> bool:
        """Every choice has its finish reason: only usage may follow."""
        return self._answer.ended

    @property
    def over(self) -> bool:
        """The upstream has said that nothing more follows."""
        return self._answer.over

    def feed(self, piece: bytes) -> Iterable[v1.CompletionEvent]:
        """The events that `piece` completes. Raises PROVIDER_MALFORMED, or the error that the upstream reports."""
        if self._events is None:
            piece = self._beginning(piece)
        if self._events is None:
            return ()
        found = self._events.feed_json(piece)
        return self._decode(self._events.feed(piece) if found is None else found)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The events of a complete answer, and the end of each choice. Raises IncompleteAnswerError without one."""
        if self._body or (self._events is None and self._is_json):
            self._has_text = True
            yield from self._answer.decode_complete(b"".join(self._body))
        elif self._events is not None:
            yield from self._last_event(self._events)
        if self._events is not None and self._events.foreign and not self._has_text:
            raise malformed_answer("answered with something other than server-sent events")
        yield from self._answer.end()

    def _last_event(self, events: SseDecoder) -> Iterable[v1.CompletionEvent]:
        """An event whose empty line is missing. One that the stream cuts off is not decoded, as it is not JSON."""
        text = events.end()
        if text is None or self.over:
            return ()
        if text.strip() != DONE and not is_json(text):
            return ()
        return self._decode([text])

    def _decode(self, texts: JsonEvents | Sequence[bytes]) -> Iterable[v1.CompletionEvent]:
        self._has_text = self._has_text or bool(texts)
        try:
            return self._answer.decode_json(texts) if isinstance(texts, JsonEvents) else self._answer.decode(texts)
        except CompletionError as failure:
            return _then_raise(self._answer.take(), failure)

    def _beginning(self, piece: bytes) -> bytes:
        """What has come, once it is known to be a stream. Until then it is kept, and nothing returned."""
        piece = piece if self._start else piece.lstrip()
        if not piece:
            return b""
        self._body.append(piece)
        self._size += len(piece)
        if self._size > MAX_COMPLETE:
            raise malformed_answer(f"sent an answer of more than {MAX_COMPLETE} bytes")
        start = self._start = (self._start + piece[:_TELLING])[:_TELLING]
        if start.startswith((b"{", b"[")):
            return b""
        if start.startswith(b"<"):
            raise malformed_answer("answered with an HTML page")
        if self._is_json and not start.startswith(_EVENT_FIELDS):
            return b""
        self._events, body = SseDecoder(MAX_COMPLETE), b"".join(self._body)
        self._body.clear()
        return body


def _then_raise(events: list[v1.CompletionEvent], failure: CompletionError) -> Iterator[v1.CompletionEvent]:
    yield from events
    raise failure

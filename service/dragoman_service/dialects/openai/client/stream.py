"""Decodes the body of an answer, cut anywhere into pieces: server-sent events, or a complete JSON object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from dragoman import v1

from dragoman_service.dialects.openai.client.answer.choices import ONE, Expected
from dragoman_service.dialects.openai.client.answer.whole import plain_answer
from dragoman_service.dialects.openai.client.json import is_json
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.sse import DONE, JsonEvents, SseDecoder
from dragoman_service.errors import CompletionError, malformed_answer

MAX_COMPLETE = 16 * 1024 * 1024  # bytes of a complete answer, and of one event
_EVENT_FIELDS = (b"data:", b"event:", b"id:", b":")
_TELLING = max(map(len, _EVENT_FIELDS))  # of the first bytes


class StreamDecoder:
    """The `EventDecoder` of this dialect. `make` makes what decodes the JSON texts in the body, unless the body is a
    plain whole answer.

    The first bytes show which format the body has, because servers send a complete answer to a request for a stream,
    and name the wrong content type. `is_json`: the content type says JSON, which decides if the first bytes do not.
    """

    def __init__(
        self,
        expected: Expected = ONE,
        *,
        is_json: bool = False,
        make: Callable[[Expected], AnswerDecoder] = AnswerDecoder,
    ) -> None:
        self._expected = expected
        self._make = make
        self._answer: AnswerDecoder | None = None  # from the first text on
        self._is_json = is_json
        self._events: SseDecoder | None = None
        self._body: list[bytes] = []  # of a complete answer, or what has come before the format is known
        self._size = 0  # of all of it
        self._start = b""  # its first bytes, which tell the format
        self.ended = False
        """Every choice has its finish reason: only usage may follow."""
        self.over = False
        """The upstream has said that nothing more follows."""

    def feed(self, piece: bytes) -> Iterable[v1.CompletionEvent]:
        """The events that `piece` completes. Raises PROVIDER_MALFORMED, or the error that the upstream reports."""
        if self._events is None:
            piece = self._beginning(piece)
        if self._events is None:
            return ()
        found = self._events.feed_json(piece)
        return self._decode(self._events.feed(piece) if found is None else found)

    def end(self) -> Iterable[v1.CompletionEvent]:
        """The events of a complete answer, and the end of each choice. Raises IncompleteAnswerError without one."""
        if not self._body and (self._events is not None or not self._is_json):
            return self._end_of_stream()
        body = b"".join(self._body)
        events = plain_answer(body, self._expected)
        return self._complete(body) if events is None else events

    def _complete(self, body: bytes) -> Iterator[v1.CompletionEvent]:
        answer = self._make(self._expected)
        yield from answer.decode_complete(body)
        yield from answer.end()

    def _end_of_stream(self) -> Iterator[v1.CompletionEvent]:
        if self._events is not None:
            yield from self._last_event(self._events)
            if self._events.foreign and self._answer is None:  # comments and incomplete texts are no answer
                raise malformed_answer("answered with something other than server-sent events")
        yield from (self._answer or self._make(self._expected)).end()

    def _last_event(self, events: SseDecoder) -> Iterable[v1.CompletionEvent]:
        """An event whose empty line is missing. One that the stream cuts off is not decoded, as it is not JSON."""
        text = events.end()
        if text is None or self.over:
            return ()
        if text.strip() != DONE and not is_json(text):
            return ()
        return self._decode([text])

    def _decode(self, texts: JsonEvents | Sequence[bytes]) -> Iterable[v1.CompletionEvent]:
        if not texts:
            return ()
        answer = self._answer = self._answer or self._make(self._expected)
        try:
            return answer.decode_json(texts) if isinstance(texts, JsonEvents) else answer.decode(texts)
        except CompletionError as failure:
            return _then_raise(answer.take(), failure)
        finally:
            self.ended, self.over = answer.ended, answer.over

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

"""Decodes answers: a stream of events, an array of the same pieces, or one complete prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.google.errors import decode_problem
from dragoman_service.dialects.google.predict.outcome import (
    FINISH_REASON,
    LOGPROBS,
    RECITATION,
    decode_finish,
    decode_logprobs,
    decode_tokens,
)
from dragoman_service.dialects.google.predict.safety import PROMPT, decode_citations, decode_safety
from dragoman_service.dialects.google.predict.tensors import plain_of_json
from dragoman_service.dialects.sse import SseDecoder
from dragoman_service.errors import malformed_answer

MAX_BODY = 16 * 1024 * 1024  # bytes of an answer that is not a stream of events


class AnswerDecoder:
    """The `EventDecoder` of this dialect, for an answer of one choice. `max_tokens` limits it (0: no limit is known).

    The vendor sends no finish reason. An answer that comes without the key, as opposed to one that comes without a
    value, is complete when its body is: FINISH_REASON_OTHER.
    """

    over = False
    """The end of the body says that nothing more follows; no piece does."""

    def __init__(self, max_tokens: int = 0) -> None:
        self._sse = SseDecoder()
        self._known = False  # whether it is a stream of events or a body
        self._body: bytearray | None = None
        self._answer = _Answer(max_tokens)

    @property
    def ended(self) -> bool:
        """The choice has its finish reason."""
        return self._answer.ended

    def feed(self, piece: bytes) -> Iterator[v1.CompletionEvent]:
        """The events that the bytes complete. Raises PROVIDER_MALFORMED, or the error that came in place of a piece."""
        if not self._known and (first := piece.lstrip()[:1]):
            self._known = True
            self._body = bytearray() if first in b"[{" else None
        if self._body is None:
            for data in self._sse.feed(piece):
                yield from self._piece(_parsed(data))
            return
        self._body += piece
        if len(self._body) > MAX_BODY:
            raise malformed_answer(f"sent an answer of more than {MAX_BODY} bytes")

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The last events. Raises IncompleteAnswerError."""
        rest = self._sse.end() if self._body is None else bytes(self._body)
        if rest:
            try:
                tree = orjson.loads(rest)
            except orjson.JSONDecodeError:
                raise IncompleteAnswerError from None
            for piece in tree if isinstance(tree, list) else (tree,):
                yield from self._piece(piece)
        if self._sse.foreign and not self._answer.begun:
            raise malformed_answer("answered with something other than predictions")
        yield from self._answer.end()

    def _piece(self, piece: Any) -> Iterator[v1.CompletionEvent]:
        if not isinstance(piece, Mapping):
            raise malformed_answer("sent a piece that is not a JSON object")
        if piece.get("error") is not None:
            raise decode_problem(piece["error"])
        try:
            outputs = [plain_of_json(output, "outputs") for output in _list(piece.get("outputs"))]
        except (ValueError, RecursionError):
            raise malformed_answer("sent an output that is not a tensor") from None
        for prediction in (*outputs, *_list(piece.get("predictions"))):
            yield from self._answer.add(prediction)
        yield from self._answer.count(piece.get("metadata"))


class _Answer:
    """Predictions in the order in which they came, and what they say of the end."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self.begun = False
        self._has_reasons = self._blocked = self._refused = False
        self._reason = ""
        self._found: tuple[Any, Any] = None, None
        self._safety = v1.SafetyAssessment()
        self._citations: list[v1.Citation] = []
        self._usage = v1.Usage()

    @property
    def ended(self) -> bool:
        return bool(self._reason)

    def add(self, prediction: Any) -> Iterator[v1.CompletionEvent]:
        """The events of one prediction."""
        if not isinstance(prediction, Mapping):
            raise malformed_answer("sent a prediction that is not a structure")
        if self.ended:
            raise malformed_answer("continued its answer after the end")
        self.begun = True
        candidate, safety, citations = _parts(prediction)
        if PROMPT in prediction:
            yield from self._prompt(decode_safety(prediction[PROMPT]))
        if (safety, citations) != self._found:  # most pieces repeat what was found before
            self._found = safety, citations
            yield from self._findings(decode_safety(safety), decode_citations(citations), candidate.get(FINISH_REASON))
        text = candidate.get("content", "")
        if not isinstance(text, str):
            raise malformed_answer("sent a content that is not a text")
        logprobs = decode_logprobs(candidate[LOGPROBS]) if LOGPROBS in candidate else []
        # What the vendor sends of a blocked answer stands in for it. With a finish reason it is what came before.
        stands_in = self._blocked and FINISH_REASON not in candidate
        if (text or logprobs) and not stands_in:
            yield v1.CompletionEvent(delta=v1.Delta(text=text, logprobs=logprobs))
        self._note(candidate)
        yield from self.count(prediction.get("metadata"))

    def count(self, metadata: Any) -> Iterator[v1.CompletionEvent]:
        """The token counts, if they are new."""
        usage = decode_tokens(metadata)
        if usage is not None and usage != self._usage:
            self._usage = usage
            yield v1.CompletionEvent(usage=usage)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The end of the choice."""
        if not self.begun or (self._has_reasons and not self.ended):
            raise IncompleteAnswerError
        reason = self._finish_reason()
        yield v1.CompletionEvent(
            choice_finished=v1.ChoiceFinished(finish_reason=reason, provider_finish_reason=self._reason)
        )

    def _prompt(self, found: v1.SafetyAssessment) -> Iterator[v1.CompletionEvent]:
        """What was found in the prompt. If it is blocked, the attributes of the candidate repeat it."""
        self._refused = self._refused or found.blocked
        if found.blocked or found.ratings:
            yield v1.CompletionEvent(safety=v1.SafetyReport(assessment=found))

    def _findings(
        self, safety: v1.SafetyAssessment, citations: list[v1.Citation], reason: object
    ) -> Iterator[v1.CompletionEvent]:
        if reason == RECITATION:
            safety.blocked = False  # the finish reason says it
        self._blocked = self._blocked or safety.blocked
        if safety != self._safety and not self._refused:
            self._safety = safety
            yield v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=safety))
        if new := [citation for citation in citations if citation not in self._citations]:
            self._citations += new
            yield v1.CompletionEvent(citations=v1.CitationReport(citations=new))

    def _note(self, candidate: Mapping[str, Any]) -> None:
        self._has_reasons = self._has_reasons or FINISH_REASON in candidate
        reason = candidate.get(FINISH_REASON)
        self._reason = reason[:64] if isinstance(reason, str) else ""

    def _finish_reason(self) -> v1.FinishReason.ValueType:
        if self._blocked:
            return v1.FINISH_REASON_CONTENT_FILTER
        reason = decode_finish(self._reason)
        if reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS and 0 < self._usage.output_tokens < self._max_tokens:
            return v1.FINISH_REASON_CONTEXT_LENGTH  # fewer tokens than allowed, so another limit ended it
        return reason


def _parts(prediction: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any, Any]:
    """The candidate of a prediction, its safety attributes and its citations, wherever the family has them."""
    candidates = prediction.get("candidates")
    safety, citations = prediction.get("safetyAttributes"), prediction.get("citationMetadata")
    if candidates is None:
        return prediction, _first(safety), _first(citations)
    if not isinstance(candidates, list) or len(candidates) > 1:
        raise malformed_answer("sent candidates that were not requested")
    candidate = candidates[0] if candidates else {}
    if not isinstance(candidate, Mapping):
        raise malformed_answer("sent a candidate that is not a structure")
    return candidate, _first(safety), _first(citations)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise malformed_answer("sent an event that is not valid JSON") from None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > 1:
        raise malformed_answer("sent another number of predictions than was requested")
    return value

"""Decodes the candidates of an answer: their parts as they come, and at the end what was found in the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.citations import decode_citations
from dragoman_service.dialects.google.gemini.reading import json_text
from dragoman_service.dialects.google.gemini.safety import decode_ratings
from dragoman_service.dialects.google.gemini.state import decode_state
from dragoman_service.errors import malformed_answer

_REASONS = {
    "STOP": v1.FINISH_REASON_STOP,
    "MAX_TOKENS": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "RECITATION": v1.FINISH_REASON_RECITATION,
    **dict.fromkeys(
        ("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"), v1.FINISH_REASON_CONTENT_FILTER
    ),
}
_NO_REASON = (None, "", "FINISH_REASON_UNSPECIFIED")
_KEYS = frozenset({"text", "thought", "thoughtSignature", "functionCall"})


class CandidateDecoder:
    """One candidate. State is given `mark`. A token gets at most `top_logprobs` alternatives."""

    def __init__(self, index: int, mark: bytes, top_logprobs: int) -> None:
        self._index = index
        self._mark = mark
        self._top = top_logprobs
        self._texts: list[str] = []
        self._calls = 0
        self._reason = ""
        self._reopened = False  # more came after a finish reason, so that the next one may be premature too
        self._message = ""
        self._ratings: list[v1.SafetyRating] = []
        self._cited: list[Any] = []

    @property
    def finished(self) -> bool:
        """The candidate has its finish reason."""
        return bool(self._reason)

    @property
    def ended(self) -> bool:
        """Nothing more is to come: some models send a finish reason with every piece."""
        return self.finished and not self._reopened

    def feed(self, candidate: Mapping[str, Any]) -> Iterator[v1.CompletionEvent]:
        """The events of what is new. Raises PROVIDER_MALFORMED."""
        told = candidate.get("logprobsResult")
        tokens = list(_logprobs(told, self._top)) if told else []
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        for part in parts if isinstance(parts, list) else ():
            delta = self._delta(part)
            if delta is not None:
                self._reopened = self._reopened or self.finished
                if tokens:
                    delta.logprobs.extend(tokens)
                    tokens = []
                yield v1.CompletionEvent(delta=delta)
        if tokens:
            yield v1.CompletionEvent(delta=v1.Delta(choice_index=self._index, logprobs=tokens))
        if candidate.get("safetyRatings"):
            self._ratings = list(decode_ratings(candidate["safetyRatings"]))
        if candidate.get("citationMetadata"):
            self._cited.append(candidate["citationMetadata"])
        message, reason = candidate.get("finishMessage"), candidate.get("finishReason")
        self._message = message if isinstance(message, str) else self._message
        if reason not in _NO_REASON:
            self._reason = str(reason)[:64]

    def end(self, version: str) -> Iterator[v1.CompletionEvent]:
        """The last events: what was found, and the end. `version` is the model's."""
        reason = _REASONS.get(self._reason, v1.FINISH_REASON_OTHER)
        blocked = reason == v1.FINISH_REASON_CONTENT_FILTER
        if self._ratings or blocked:
            found = v1.SafetyAssessment(
                blocked=blocked, ratings=self._ratings, message=self._message if blocked else ""
            )
            yield v1.CompletionEvent(safety=v1.SafetyReport(choice_index=self._index, assessment=found))
        citations = self._citations()
        if citations:
            report = v1.CitationReport(choice_index=self._index, citations=citations)
            yield v1.CompletionEvent(citations=report)
        if reason == v1.FINISH_REASON_STOP and self._calls:
            reason = v1.FINISH_REASON_TOOL_CALLS
        yield v1.CompletionEvent(
            choice_finished=v1.ChoiceFinished(
                choice_index=self._index,
                finish_reason=reason,
                provider_finish_reason=self._reason,
                system_fingerprint=version,
            )
        )

    def _citations(self) -> list[v1.Citation]:
        """Each citation once, though every piece of a stream may repeat those before it."""
        text, found = "".join(self._texts), []
        for metadata in self._cited:
            found += [citation for citation in decode_citations(metadata, text) if citation not in found]
        return found

    def _delta(self, part: Any) -> v1.Delta | None:
        """None for a part that says nothing."""
        if not isinstance(part, Mapping):
            raise malformed_answer("sent a part that is not an object")
        delta = v1.Delta(choice_index=self._index)
        if state := decode_state(part):
            delta.state = self._mark + state
        text = part.get("text")
        if part.get("functionCall") is not None:
            delta.tool_call.CopyFrom(self._call(part["functionCall"]))
        elif text is None and not delta.state:
            if strange := sorted(set(part) - _KEYS):
                raise malformed_answer(f"sent a part of a kind that was not requested: {strange[0][:32]!r}")
            return None
        elif not isinstance(text or "", str):
            raise malformed_answer("sent a text that is not a string")
        elif part.get("thought") is True:
            delta.reasoning = text or ""
        else:
            delta.text = text or ""
            self._texts.append(delta.text)
        return delta if delta.HasField("tool_call") or text or delta.state else None

    def _call(self, call: Any) -> v1.ToolCallDelta:
        """A complete call. The engine gives it an id if it has none."""
        name = call.get("name") if isinstance(call, Mapping) else None
        arguments = (call.get("args") or {}) if isinstance(call, Mapping) else None
        if not isinstance(name, str) or not name:
            raise malformed_answer("called a tool without a name")
        if not isinstance(arguments, dict):
            raise malformed_answer("called a tool with arguments that are not an object")
        given = call.get("id")
        delta = v1.ToolCallDelta(index=self._calls, name=name, arguments_json=json_text(arguments))
        if isinstance(given, str):
            delta.id = given
        self._calls += 1
        return delta


def _logprobs(result: Any, top: int) -> Iterator[v1.TokenLogprob]:
    chosen = result.get("chosenCandidates") if isinstance(result, Mapping) else None
    tops = (result.get("topCandidates") or []) if isinstance(result, Mapping) else []
    for number, token in enumerate(chosen if isinstance(chosen, list) else ()):
        found = _token(token)
        if found is None:
            continue
        others = tops[number] if isinstance(tops, list) and number < len(tops) else None
        listed = others.get("candidates") if isinstance(others, Mapping) else None
        alternatives = [_token(each) for each in (listed if isinstance(listed, list) else ())[:top]]
        yield v1.TokenLogprob(
            **found, top_logprobs=[v1.TopLogprob(**each) for each in alternatives if each is not None]
        )


def _token(value: Any) -> dict[str, Any] | None:
    """The token's text, bytes and log probability; None if it makes no sense."""
    text, number = (value.get("token"), value.get("logProbability", 0)) if isinstance(value, Mapping) else (None, None)
    if not isinstance(text, str) or isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return {"token": text, "logprob": min(float(number), 0.0), "bytes": text.encode()}

"""Decodes answers, object by object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.bodies import answer_object, token_count
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.google.errors import decode_problem
from dragoman_service.dialects.google.gemini.client.candidates import CandidateDecoder
from dragoman_service.dialects.google.gemini.safety import decode_feedback
from dragoman_service.errors import malformed_answer


class ObjectDecoder:
    """The `EventDecoder` of this dialect for JSON objects, each a part of the answer or all of it."""

    over = False
    """The end of the stream says that nothing more follows; no object does."""

    def __init__(self, request: v1.CompletionRequest, mark: bytes = b"") -> None:
        config = request.generation_config
        count = config.choice_count or 1
        self._candidates = [CandidateDecoder(index, mark, config.top_logprobs) for index in range(count)]
        self._prompt = v1.SafetyAssessment()
        self._usage = v1.Usage()
        self._version = ""

    @property
    def ended(self) -> bool:
        """Every candidate has its finish reason, or the prompt was blocked."""
        return self._prompt.blocked or all(candidate.ended for candidate in self._candidates)

    def feed(self, piece: Mapping[str, Any]) -> Iterator[v1.CompletionEvent]:
        """The events of one object. Raises PROVIDER_MALFORMED, or the error that came in place of it."""
        if piece.get("error") is not None:
            raise decode_problem(piece["error"])
        version = piece.get("modelVersion")
        self._version = version[:128] if isinstance(version, str) else self._version
        yield from self._feedback(piece.get("promptFeedback"))
        listed = piece.get("candidates") or ()
        for candidate in listed if isinstance(listed, list) else ():
            if not isinstance(candidate, Mapping):
                raise malformed_answer("sent a candidate that is not an object")
            yield from self._candidate(candidate.get("index", 0)).feed(candidate)
        usage = _usage(piece.get("usageMetadata"))
        if usage is not None and usage != self._usage:
            self._usage = usage
            yield v1.CompletionEvent(usage=usage)

    def end(self) -> Iterator[v1.CompletionEvent]:
        """The ends of the candidates. Raises IncompleteAnswerError without them."""
        if not self._prompt.blocked and not all(candidate.finished for candidate in self._candidates):
            raise IncompleteAnswerError
        for index, candidate in enumerate(self._candidates):
            if not self._prompt.blocked:
                yield from candidate.end(self._version)
                continue
            end = v1.ChoiceFinished(
                choice_index=index,
                finish_reason=v1.FINISH_REASON_CONTENT_FILTER,
                provider_finish_reason=self._prompt.codes[0],
                system_fingerprint=self._version,
            )
            yield v1.CompletionEvent(choice_finished=end)

    def _feedback(self, feedback: Any) -> Iterator[v1.CompletionEvent]:
        found = decode_feedback(feedback) if isinstance(feedback, Mapping) else v1.SafetyAssessment()
        if (found.blocked or found.ratings) and found != self._prompt:
            self._prompt = found
            yield v1.CompletionEvent(safety=v1.SafetyReport(assessment=found))

    def _candidate(self, index: Any) -> CandidateDecoder:
        if not isinstance(index, int) or not 0 <= index < len(self._candidates):
            raise malformed_answer("sent an answer that was not requested")
        return self._candidates[index]


def _usage(metadata: Any) -> v1.Usage | None:
    """The token counts, None without any."""
    if not isinstance(metadata, Mapping):
        return None
    prompt, candidates, thoughts, cached, tools = (
        token_count(metadata.get(name))
        for name in (
            "promptTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "cachedContentTokenCount",
            "toolUsePromptTokenCount",
        )
    )
    return v1.Usage(
        input_tokens=prompt + tools,
        output_tokens=candidates + thoughts,
        total_tokens=prompt + tools + candidates + thoughts,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
    )


def decode_count(body: bytes) -> v1.CountTokensResponse:
    """The answer to a count of tokens. Raises PROVIDER_MALFORMED."""
    counted = answer_object(body, "a count")
    return v1.CountTokensResponse(input_tokens=token_count(counted.get("totalTokens")))

"""Encodes answers as plain predictions: complete ones, or pieces of streamed ones with the text that is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.predict.outcome import (
    FINISH_REASON,
    LOGPROBS,
    encode_finish,
    encode_logprobs,
    encode_tokens,
)
from dragoman_service.dialects.google.predict.safety import PROMPT, encode_citations, encode_safety
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.request import billable
from dragoman_service.errors import broken_answer

Prediction = dict[str, Any]
AUTHOR = "bot"
_WITHHELD = (v1.FINISH_REASON_CONTENT_FILTER, v1.FINISH_REASON_RECITATION)


def predictions(completion: v1.Completion, decoded: PredictRequest) -> list[Prediction]:
    """The predictions of a complete answer: one that holds all candidates of a chat, otherwise one for each."""
    choices = [_Candidate.of(choice, completion.prompt_safety) for choice in completion.choices]
    groups = [choices] if decoded.chat else [[choice] for choice in choices]
    return [{**_prediction(group, chat=decoded.chat), **_of_prompt(completion.prompt_safety)} for group in groups]


def metadata(completion: v1.Completion, decoded: PredictRequest) -> dict[str, Any]:
    """The token counts of a complete answer."""
    characters = sum(billable(text_of(choice.message)) for choice in completion.choices)
    return encode_tokens(completion.usage, decoded.characters, characters)


def text_of(message: v1.Message) -> str:
    """The text of an answer. A refusal is text to this dialect; reasoning is hidden by it."""
    return "".join(part.text or part.refusal for part in message.parts)


class PredictionEncoder:
    """Encodes the events of a stream. The last piece has no text, but findings, finish reason and token counts."""

    def __init__(self, decoded: PredictRequest) -> None:
        self._decoded = decoded
        self._found = v1.SafetyAssessment()
        self._completion: v1.Completion | None = None
        self._sent = False

    def feed(self, event: v1.CompletionEvent) -> Iterable[Prediction]:
        match event.WhichOneof("event"):
            case "delta" if event.delta.text or event.delta.refusal or event.delta.logprobs:
                self._sent = True
                return (self._piece(event.delta),)
            case "safety" if event.safety.HasField("choice_index"):
                self._found = event.safety.assessment
            case "retracted":
                if self._sent:  # the caller has joined it to what came before
                    raise broken_answer()
                self._found = v1.SafetyAssessment()
            case "finished" if event.finished.HasField("completion"):
                self._completion = event.finished.completion
        return ()

    def end(self) -> Iterable[Prediction]:
        if self._completion is None:
            raise broken_answer()
        return self._last(self._completion)

    def _piece(self, delta: v1.Delta) -> Prediction:
        candidate = _Candidate(delta.text or delta.refusal, self._found, (), "", delta.logprobs)
        return _prediction([candidate], chat=self._decoded.chat)

    def _last(self, completion: v1.Completion) -> Iterator[Prediction]:
        ends = [_Candidate.of(choice, completion.prompt_safety, text="") for choice in completion.choices]
        prediction = _prediction(ends[:1], chat=self._decoded.chat)
        counted = {"metadata": metadata(completion, self._decoded)}
        yield {**prediction, **_of_prompt(completion.prompt_safety), **counted}


class _Candidate:
    """What is said of one choice, in a piece or in all."""

    def __init__(
        self,
        text: str,
        safety: v1.SafetyAssessment,
        citations: Iterable[v1.Citation],
        finish: str,
        logprobs: Iterable[v1.TokenLogprob],
    ) -> None:
        self.text = text
        self.safety = encode_safety(safety)
        self.citations = encode_citations(citations)
        found = list(logprobs)
        self.more = {FINISH_REASON: finish, **({LOGPROBS: encode_logprobs(found)} if found else {})}

    @classmethod
    def of(cls, choice: v1.Choice, prompt: v1.SafetyAssessment, text: str | None = None) -> _Candidate:
        """A choice that ended; its own text and log probabilities unless `text` replaces the text in a last piece."""
        safety = v1.SafetyAssessment()
        safety.CopyFrom(prompt if prompt.blocked and not choice.safety.blocked else choice.safety)
        safety.blocked |= choice.finish_reason in _WITHHELD
        logprobs = choice.logprobs if text is None else ()
        shown = text_of(choice.message) if text is None else text
        return cls(shown, safety, choice.citations, encode_finish(choice.finish_reason), logprobs)


def _of_prompt(found: v1.SafetyAssessment) -> Prediction:
    """What was found in the prompt, which the vendor has no key for."""
    return {PROMPT: encode_safety(found)} if found.blocked or found.ratings else {}


def _prediction(candidates: list[_Candidate], *, chat: bool) -> Prediction:
    if chat:
        return {
            "candidates": [{"author": AUTHOR, "content": one.text, **one.more} for one in candidates],
            "safetyAttributes": [one.safety for one in candidates],
            "citationMetadata": [one.citations for one in candidates],
        }
    (one,) = candidates
    return {
        "content": one.text,
        "safetyAttributes": one.safety,
        "citationMetadata": one.citations,
        **one.more,
    }

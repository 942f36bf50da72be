"""From the pieces of an answer to our events: chat completions and completions of a prompt, streamed or whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.content import Pieces, contents
from dragoman_service.dialects.openai.client.errors import error_in_answer, error_in_event
from dragoman_service.dialects.openai.client.finish import BROKEN, finish_reason, stop_sequence
from dragoman_service.dialects.openai.client.json import count, items, mapping, parsed
from dragoman_service.dialects.openai.client.logprobs import logprobs_of
from dragoman_service.dialects.openai.client.tool_calls import ToolCalls
from dragoman_service.dialects.openai.client.usage import usage_of
from dragoman_service.dialects.sse import DONE, ErrorData
from dragoman_service.errors import malformed_answer


class IncompleteAnswerError(Exception):
    """The answer ended in its middle."""


@dataclass(slots=True)
class _Choice:
    """How far one choice has come."""

    index: int
    spoke: bool = False
    refused: bool = False
    ended: bool = False
    end: str = ""
    stop: str = ""
    calls: ToolCalls = field(default_factory=ToolCalls)


class AnswerDecoder:
    """Decodes one answer, streamed or whole: `read` what came, then ask for its `end`.

    `first_index` is the index of its first choice, `choices` how many it holds, `asked` the tokens that each may have
    (0: nobody said). `prefix` is put before the text of each choice. At most `top_logprobs` are shown a token.
    """

    def __init__(
        self, *, first_index: int = 0, choices: int = 1, asked: int = 0, prefix: str = "", top_logprobs: int = 0
    ) -> None:
        self._choices = {index: _Choice(first_index + index, spoke=not prefix) for index in range(choices)}
        self._asked = asked
        self._prefix = prefix
        self._top = top_logprobs
        self._pieces = Pieces()
        self._fingerprint = ""
        self._usage = v1.Usage()
        self._over = False

    @property
    def over(self) -> bool:
        """The upstream said that nothing more comes."""
        return self._over

    @property
    def ended(self) -> bool:
        """Every choice said how it ended; what may still come is their usage."""
        return all(choice.ended for choice in self._choices.values())

    def read(self, texts: Iterable[bytes]) -> list[v1.CompletionEvent]:
        """The events of the JSON texts that came together, in as few pieces as they allow.

        Raises PROVIDER_MALFORMED, or the error that the upstream tells; what came before it is in `rest`.
        """
        for data in texts:
            if data == DONE or data.strip() == DONE:
                self._over = True
                break
            if type(data) is ErrorData:
                raise error_in_event(data)
            self._chunk(parsed(data))
        return self.rest()

    def rest(self) -> list[v1.CompletionEvent]:
        """The events that were decoded and not yet given out."""
        return self._pieces.take()

    def end(self) -> list[v1.CompletionEvent]:
        """The ends of the choices. Raises IncompleteAnswerError if one has none."""
        if not all(choice.ended and choice.end not in BROKEN for choice in self._choices.values()):
            raise IncompleteAnswerError
        for choice in self._choices.values():
            for call in choice.calls.end():
                self._pieces.call(choice.index, call)
            self._restore(choice)
            self._pieces.add(v1.CompletionEvent(choice_finished=self._finished(choice)))
        return self.rest()

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        if chunk.get("error") or chunk.get("object") == "error":
            raise error_in_answer(chunk.get("error") or chunk)
        fingerprint = chunk.get("system_fingerprint")
        if type(fingerprint) is str:
            self._fingerprint = fingerprint
        for choice in items(chunk.get("choices"), "choices"):
            if not self._goes_on(choice):
                self._choice(choice)
        if chunk.get("usage") or "prompt_progress" in chunk or "x_groq" in chunk:
            self._used(chunk)

    def _goes_on(self, data: Any) -> bool:
        """Takes what nearly every piece of an answer is: more of the text, and nothing else."""
        try:
            choice, delta = self._choices[data["index"]], data["delta"]
            words = delta["content"]
            if type(words) is not str or len(delta) > 1 or not choice.spoke or choice.end:
                return False
            if not words or data.get("finish_reason") or data.get("logprobs"):
                return False
        except (KeyError, TypeError, AttributeError):
            return False
        self._pieces.say(choice.index, "text", words)
        return True

    def _choice(self, data: Any) -> None:
        if type(data) is not dict:
            raise malformed_answer("sent a choice that is no object")
        choice = self._choices.get(count(data.get("index"), "index"))
        if choice is None:
            raise malformed_answer("sent a choice that nobody asked for")
        delta = data.get("delta") or data.get("message") or data.get("text")
        if delta:
            self._delta(choice, delta, data.get("logprobs"))
        elif data.get("logprobs"):
            self._delta(choice, {}, data["logprobs"])
        end = data.get("finish_reason")
        if end and not choice.end:
            choice.end = end if type(end) is str else "?"
            choice.stop = stop_sequence(data)
        # An answer that came whole is whole, also where it does not say how it ended.
        choice.ended = choice.ended or bool(choice.end) or bool(data.get("message"))

    def _delta(self, choice: _Choice, delta: Any, logprobs: Any) -> None:
        if type(delta) is not dict:
            delta = {"content": delta}
        likelihood = logprobs_of(logprobs, self._top)
        for kind, words in contents(delta):
            self._open(choice)
            choice.refused = choice.refused or kind == "refusal"
            self._pieces.say(choice.index, kind, words, likelihood)
            likelihood = []
        if likelihood:
            self._pieces.add(v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, logprobs=likelihood)))
        if delta.get("tool_calls") or delta.get("function_call"):
            self._called(choice, delta)

    def _called(self, choice: _Choice, delta: Mapping[str, Any]) -> None:
        self._open(choice)
        for call in choice.calls.feed(delta.get("tool_calls")):
            self._pieces.call(choice.index, call)
        for call in choice.calls.feed_function(delta.get("function_call")):
            self._pieces.call(choice.index, call)

    def _open(self, choice: _Choice) -> None:
        if choice.end:
            raise malformed_answer("went on with a choice after its end")
        self._restore(choice)

    def _restore(self, choice: _Choice) -> None:
        if not choice.spoke:
            self._pieces.say(choice.index, "text", self._prefix)
        choice.spoke = True

    def _used(self, chunk: Mapping[str, Any]) -> None:
        problem = mapping(chunk.get("x_groq"), "x_groq").get("error")
        if problem:
            raise error_in_answer(problem)
        usage = usage_of(chunk)
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._pieces.used(usage)

    def _finished(self, choice: _Choice) -> v1.ChoiceFinished:
        # Fewer tokens than were asked for: it was not their limit which ended the choice.
        short = len(self._choices) == 1 and 0 < self._usage.output_tokens < self._asked
        reason = finish_reason(choice.end, refused=choice.refused, called=bool(choice.calls), short=short)
        stopped = reason == v1.FINISH_REASON_STOP and choice.stop
        return v1.ChoiceFinished(
            choice_index=choice.index,
            finish_reason=v1.FINISH_REASON_STOP_SEQUENCE if stopped else reason,
            matched_stop_sequence=choice.stop if stopped else "",
            provider_finish_reason=choice.end[:64],
            system_fingerprint=self._fingerprint[:128],
        )

"""Decodes the JSON objects of an answer: chat completions and completions of a prompt, streamed or complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.openai.client.answer.choices import (
    CUT,
    NO_REASON,
    ONE,
    ChoiceState,
    Expected,
    stop_sequence,
)
from dragoman_service.dialects.openai.client.answer.chunks import ChunkParser, TextChunk
from dragoman_service.dialects.openai.client.answer.content import (
    DETAILS,
    EventCollector,
    Kind,
    decode_content,
    text_delta,
)
from dragoman_service.dialects.openai.client.answer.tokens import NO_USAGE, decode_logprobs, decode_usage
from dragoman_service.dialects.openai.client.errors import decode_error_event, decode_error_object, reported_problem
from dragoman_service.dialects.openai.client.json import count, items, mapping
from dragoman_service.dialects.openai.filter_results import CHOICE, PROMPT, decode_prompt_results, decode_results
from dragoman_service.dialects.sse import DONE, ErrorData, JsonEvents
from dragoman_service.errors import malformed_answer


class AnswerDecoder:
    """Decodes the JSON texts of one answer: `decode` them as they come, then call `end`."""

    def __init__(self, expected: Expected = ONE) -> None:
        first, prefixed = expected.first_index, not expected.prefix
        self._choices = {index: ChoiceState(first + index, prefixed) for index in range(expected.choices)}
        self._plain = dict(self._choices)  # those whose index in the chunks is their own
        self._parser = ChunkParser()
        self._parse = self._parser.parse
        self._expected = expected
        self._events = EventCollector()
        self._fingerprint = ""
        self._usage = NO_USAGE
        self._complete = False
        self.over = False
        """The upstream has said that no more texts follow."""
        self.ended = False
        """Every choice has its finish reason: only usage may follow."""

    def decode(self, texts: Iterable[bytes]) -> list[v1.CompletionEvent]:
        """The events of JSON texts that came together, merged into as few as possible.

        Raises PROVIDER_MALFORMED, or the error that the upstream reports; `take` then has the events before it.
        """
        for data in texts:
            if data == DONE or data.strip() == DONE:
                self.over = True
                break
            if type(data) is ErrorData:
                raise decode_error_event(data)
            self._text(data)
        return self.take()

    def decode_json(self, events: JsonEvents) -> list[v1.CompletionEvent]:
        """The events of JSON objects that came together. See `decode`."""
        count = len(events.pieces)
        chunks = self._parser.text_chunks(events.text)
        if chunks is not None and len(chunks) == count:
            place = self._more_text(chunks, 0)
            while place < count:
                self._chunk(self._parse(events.data(place)))
                place = self._more_text(chunks, place + 1)
        elif count == 1:
            self._chunk(self._parse(events.text))
        else:
            for place in range(count):
                self._text(events.data(place))
        self.over = self.over or events.done
        return self.take()

    def decode_complete(self, text: bytes) -> list[v1.CompletionEvent]:
        """The events of an answer that is one JSON object: it is complete even without a finish reason."""
        self._complete = True
        return self.decode([text])

    def take(self) -> list[v1.CompletionEvent]:
        """The events that were decoded and not yet returned."""
        return self._events.take()

    def end(self) -> list[v1.CompletionEvent]:
        """The last events of the choices. Raises IncompleteAnswerError if one is not whole."""
        if not all(choice.whole(complete=self._complete, done=self.over) for choice in self._choices.values()):
            raise IncompleteAnswerError
        if self._parser.half and not all(choice.meaning in CUT for choice in self._choices.values()):
            raise IncompleteAnswerError
        tokens = self._usage.output_tokens if len(self._choices) == 1 else 0
        for choice in self._choices.values():
            if choice.calls:
                for call in choice.calls.end(cut=choice.meaning in CUT):
                    self._events.add_tool_call(choice.index, call)
            self._add_prefix(choice)
            if choice.found is not None:
                self._add_safety(choice.found, choice.index)
            self._events.add(choice.finished_event(self._fingerprint, tokens, self._expected.max_tokens))
        return self.take()

    def _text(self, data: bytes) -> None:
        chunks = None if self._complete else self._parser.text_chunks(data)
        if chunks is None or len(chunks) != 1 or not self._more_text(chunks, 0):
            self._chunk(self._parse(data))

    def _more_text(self, chunks: Sequence[TextChunk], start: int) -> int:
        """Takes the chunks from `start` on that have text of one kind or only a role, as nearly all have.

        Returns the place of the first other chunk. `_chunk` would make the same of each.
        """
        place, index, kind = start, -1, ""
        state: ChoiceState | None = None
        texts: list[str] = []
        for chunk in chunks[start:] if start else chunks:
            choices = chunk.choices
            if len(choices) != 1:
                break
            choice = choices[0]
            delta = choice.delta
            if choice.finish_reason or delta is None:
                break
            if state is None or choice.index != index:
                state = self._plain.get(choice.index)
                if state is None or state.finish_reason:
                    break
                index, kind = choice.index, ""
            now: Kind = "text"
            words = delta.content
            if reasoning := delta.reasoning_content or delta.reasoning:
                if words:
                    break
                now, words = "reasoning", reasoning
            if not words:
                if not delta.role:
                    break
            elif now == kind:
                texts.append(words)
            elif now in state.streamed:
                kind, texts = now, self._events.open_text(state.index, now)
                texts.append(words)
            else:
                self._stream_text(state, now, words)
                state.unmarked, kind = state.unmarked or state.spoke, ""
            if chunk.system_fingerprint:
                self._fingerprint = chunk.system_fingerprint
            if chunk.usage:
                self._report_usage({"usage": chunk.usage})
            place += 1
        return place

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        choices = chunk.get("choices")
        if not choices or "error" in chunk or "base_resp" in chunk or chunk.get("object") == "error":
            problem = reported_problem(chunk)
            if problem is not None:
                raise decode_error_object(problem)
        if PROMPT in chunk and (found := decode_prompt_results(chunk[PROMPT])):
            self._add_safety(found, None)
        fingerprint = chunk.get("system_fingerprint")
        if type(fingerprint) is str:
            self._fingerprint = fingerprint
        for choice in items(choices, "choices"):
            self._choice(choice)
        if chunk.get("usage") or "prompt_progress" in chunk or "x_groq" in chunk:
            self._report_usage(chunk)
            if not choices:
                self._confirm()

    def _choice(self, data: Any) -> None:
        if type(data) is not dict:
            raise malformed_answer("sent a choice that is not an object")
        if data.get("error"):
            raise decode_error_object(data["error"])
        choice = self._choice_of(count(data.get("index"), "index"))
        if CHOICE in data:
            choice.found = decode_results(data[CHOICE]) or choice.found
        content = False
        delta = data.get("delta") or text_delta(data)
        if delta or data.get("logprobs"):
            content = self._delta(choice, delta, data.get("logprobs") if delta or not data.get("message") else None)
        if data.get("message"):
            content = self._message(choice, mapping(data["message"], "message"), data.get("logprobs")) or content
        reason = data.get("finish_reason")
        if reason and str(reason).lower() not in NO_REASON:
            choice.finish(reason if type(reason) is str else "?", stop_sequence(data), apart=not content)
        elif content:
            choice.unmarked = choice.unmarked or choice.spoke
        if data.get("usage"):
            self._report_usage(data)
        self.ended = all(choice.finished for choice in self._choices.values())

    def _choice_of(self, number: int) -> ChoiceState:
        """The choice with this index. If one was requested it is that one, because some servers count tokens there."""
        if len(self._choices) > 1:
            choice = self._choices.get(number)
            if choice is None:
                raise malformed_answer("sent a choice that was not requested")
            choice.number = number
        else:
            choice = self._choices[0]
            if number:
                self._plain.clear()
        choice.incoming = number
        return choice

    def _confirm(self) -> None:
        """Usage without a choice comes at the end: what has a finish reason has ended."""
        for choice in self._choices.values():
            choice.apart = choice.apart or bool(choice.finish_reason and not choice.reopened)
        self.ended = all(choice.finished for choice in self._choices.values())

    def _delta(self, choice: ChoiceState, delta: Any, logprobs: Any) -> bool:
        """Takes a delta. False: it has no content."""
        if type(delta) is not dict:
            delta = {"content": delta}
        content = False
        if delta.get(DETAILS):
            choice.signed.feed(delta[DETAILS])
        tokens = decode_logprobs(logprobs, self._expected.top_logprobs)
        for kind, words in decode_content(delta):
            content = True
            self._stream_text(choice, kind, words, tokens)
            tokens = []
        if tokens:
            self._events.add(v1.CompletionEvent(delta=v1.Delta(choice_index=choice.index, logprobs=tokens)))
        return self._tool_calls(choice, delta) or content

    def _message(self, choice: ChoiceState, message: Mapping[str, Any], logprobs: Any) -> bool:
        """Takes a complete message, or a growing one. What deltas or earlier messages have said is not said again."""
        if not choice.signed:
            choice.signed.feed(message.get(DETAILS))
        said: dict[Kind, str] = {}
        for kind, words in decode_content(message):
            said[kind] = said.get(kind, "") + words
        content = False
        tokens = decode_logprobs(logprobs, self._expected.top_logprobs)
        for kind, words in said.items():
            before = choice.messages.get(kind, "")
            new = words.removeprefix(before)
            if kind in choice.streamed or not new:
                continue
            content = True
            choice.messages[kind] = words if words.startswith(before) else before + words
            self._add_text(choice, kind, new, tokens)
            tokens = []
        return (not choice.calls and self._tool_calls(choice, message)) or content

    def _stream_text(self, choice: ChoiceState, kind: Kind, words: str, tokens: Sequence[v1.TokenLogprob] = ()) -> None:
        self._add_text(choice, kind, words, tokens)
        choice.streamed.add(kind)

    def _add_text(self, choice: ChoiceState, kind: Kind, words: str, tokens: Sequence[v1.TokenLogprob]) -> None:
        choice.goes_on()
        self._add_prefix(choice)
        choice.spoke = choice.spoke or kind != "reasoning"
        choice.refused = choice.refused or kind == "refusal"
        self._events.add_text(choice.index, kind, words, tokens)

    def _tool_calls(self, choice: ChoiceState, delta: Mapping[str, Any]) -> bool:
        """Takes the tool calls of a delta or a message. False: it has none."""
        if not (delta.get("tool_calls") or delta.get("function_call")):
            return False
        choice.goes_on()
        self._add_prefix(choice)
        choice.spoke = True
        for call in choice.calls.feed(delta.get("tool_calls")):
            self._events.add_tool_call(choice.index, call)
        for call in choice.calls.feed_function(delta.get("function_call")):
            self._events.add_tool_call(choice.index, call)
        return True

    def _add_safety(self, found: v1.SafetyAssessment, choice_index: int | None) -> None:
        report = v1.SafetyReport(choice_index=choice_index, assessment=found)
        self._events.add(v1.CompletionEvent(safety=report))

    def _add_prefix(self, choice: ChoiceState) -> None:
        if not choice.prefixed:
            self._events.add_text(choice.index, "text", self._expected.prefix)
        choice.prefixed = True

    def _report_usage(self, chunk: Mapping[str, Any]) -> None:
        if "x_groq" in chunk and (problem := mapping(chunk["x_groq"], "x_groq").get("error")):
            raise decode_error_object(problem)
        usage = decode_usage(chunk)
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._events.set_usage(usage)

"""What was said in a conversation, and the request that asks for the next answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman import v1


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer; `is_cut` if the answer was stopped before its end."""

    question: str
    answer: v1.Message
    is_cut: bool


@dataclass(slots=True)
class Conversation:
    """The turns so far, oldest first. `settings` is a request without messages; an empty `system` is none."""

    settings: v1.CompletionRequest
    system: str = ""
    turns: list[Turn] = field(default_factory=list)

    def request(self, question: str | None = None) -> v1.CompletionRequest:
        """The request for the answer to `question`, after all turns. Without one, the conversation as it stands."""
        request = v1.CompletionRequest()
        request.CopyFrom(self.settings)
        if self.system:
            request.messages.append(_message(v1.ROLE_SYSTEM, self.system))
        for turn in self.turns:
            request.messages.extend((_message(v1.ROLE_USER, turn.question), turn.answer))
        if question is not None:
            request.messages.append(_message(v1.ROLE_USER, question))
        return request

    def keep(self, question: str, answer: v1.Message, *, is_cut: bool) -> bool:
        """Adds a turn. False if the answer has no text: most models refuse a message without any."""
        kept = v1.Message(role=v1.ROLE_ASSISTANT, parts=[_as_text(part) for part in answer.parts if _text(part)])
        if kept.parts:
            self.turns.append(Turn(question, kept, is_cut))
        return bool(kept.parts)


def partial(text: str) -> v1.Message:
    """The answer of which only `text` arrived."""
    return _message(v1.ROLE_ASSISTANT, text)


def text_of_turn(turn: Turn) -> str:
    """The text of a turn's answer."""
    return "".join(part.text for part in turn.answer.parts)


def _message(role: v1.Role.ValueType, text: str) -> v1.Message:
    return v1.Message(role=role, parts=[v1.Part(text=text)])


def _text(part: v1.Part) -> str:
    return part.text or part.refusal


def _as_text(part: v1.Part) -> v1.Part:
    """The part as every model takes it: a refusal as text, and the state that some providers need."""
    return v1.Part(text=_text(part), state=part.state)

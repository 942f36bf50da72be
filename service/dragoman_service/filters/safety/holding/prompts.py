"""Walks through a prompt, and writes a copy of the request in which texts are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from dragoman import v1

from dragoman_service.filters.safety.holding.decisions import Decided, Piece


class WholeTexts(Protocol):
    """Judges texts that are complete."""

    def scan(self, text: str) -> Decided: ...

    def document(self, text: str) -> str | None:
        """The JSON text as it may go on; None if it must not."""
        ...


class Rewriter:
    """Judges all texts of one prompt: `prompt`, and the messages, of which the parts of one kind are joined."""

    def __init__(self, request: v1.CompletionRequest, texts: WholeTexts) -> None:
        self._request, self._texts = request, texts
        self._copy: v1.CompletionRequest | None = None

    def rewrite(self) -> v1.CompletionRequest | None:
        """The request, or a changed copy; None if it is blocked. All texts are judged, so that all is found."""
        verdicts = [self._rewrite_prompt()]
        for number in range(len(self._request.messages)):
            verdicts += self._rewrite_message(number)
        if not all(verdicts):
            return None
        return self._request if self._copy is None else self._copy

    def _rewrite_prompt(self) -> bool:
        decided = self._texts.scan(self._request.prompt)
        if _changed(decided.pieces):
            self._changed().prompt = "".join(piece.text for piece in decided.pieces)
        return not decided.blocked

    def _rewrite_message(self, number: int) -> Iterator[bool]:
        message = self._request.messages[number]
        for kind in ("text", "reasoning", "refusal", "tool_result"):
            parts = [index for index, part in enumerate(message.parts) if part.WhichOneof("content") == kind]
            texts = [_text_of(message.parts[index]) for index in parts]
            written = self._rewrite_texts(texts)
            for index, before, after in zip(parts, texts, written or texts, strict=True):
                if before != after:
                    _set_text(self._changed().messages[number].parts[index], after)
            yield written is not None
        for index, part in enumerate(message.parts):
            if part.HasField("tool_call"):
                arguments = self._texts.document(part.tool_call.arguments_json)
                if arguments is not None and arguments != part.tool_call.arguments_json:
                    self._changed().messages[number].parts[index].tool_call.arguments_json = arguments
                yield arguments is not None

    def _rewrite_texts(self, texts: Sequence[str]) -> list[str] | None:
        """Texts that a model reads one after the other, joined, and then each on its own, where other words begin."""
        joined = self._texts.scan("".join(texts))
        alone = [] if len(texts) == 1 else [self._texts.scan(text) for text in cut_again(texts, joined.pieces)]
        if joined.blocked or any(decided.blocked for decided in alone):
            return None
        if len(texts) == 1:
            return ["".join(piece.text for piece in joined.pieces)]
        return ["".join(piece.text for piece in decided.pieces) for decided in alone]

    def _changed(self) -> v1.CompletionRequest:
        if self._copy is None:
            self._copy = v1.CompletionRequest()
            self._copy.CopyFrom(self._request)
        return self._copy


def cut_again(texts: Sequence[str], pieces: Sequence[Piece]) -> list[str]:
    """What becomes of each of the texts that were joined. A replacement stands in the text in which it begins."""
    ends, written = [], 0
    for text in texts:
        written += len(text)
        ends.append(written)
    cut = [""] * len(texts)
    for piece in pieces:
        start = piece.start
        for index, end in enumerate(ends):
            if start < end and piece.start < end:
                if piece.changed:
                    cut[index] += piece.text
                    break
                cut[index] += piece.text[start - piece.start : end - piece.start]
                start = min(end, piece.end)
                if start == piece.end:
                    break
    return cut


def _changed(pieces: Sequence[Piece]) -> bool:
    return any(piece.changed for piece in pieces)


def _text_of(part: v1.Part) -> str:
    match part.WhichOneof("content"):
        case "tool_result":
            return part.tool_result.text
        case "reasoning":
            return part.reasoning.text
        case "refusal":
            return part.refusal
    return part.text


def _set_text(part: v1.Part, text: str) -> None:
    """Writes the text. The provider's state belongs to the text that was replaced."""
    part.ClearField("state")
    match part.WhichOneof("content"):
        case "tool_result":
            part.tool_result.text = text
        case "reasoning":
            part.reasoning.text = text
        case "refusal":
            part.refusal = text
        case _:
            part.text = text

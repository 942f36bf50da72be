"""A tool call, held until it is complete, because half a call is of no use and arguments are JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman import v1


@dataclass(slots=True)
class HeldCall:
    """The fragments of one call."""

    index: int
    call: v1.ToolCall
    state: bytes = b""
    logprobs: list[v1.TokenLogprob] = field(default_factory=list)
    _arguments: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, piece: v1.ToolCallDelta) -> HeldCall:
        return cls(piece.index, v1.ToolCall(id=piece.id, name=piece.name))

    def add(self, delta: v1.Delta) -> None:
        piece = delta.tool_call
        self._arguments.append(piece.arguments_json)
        self.call.extensions.update(piece.extensions)
        self.logprobs.extend(delta.logprobs)
        self.state = delta.state or self.state

    def continues(self, piece: v1.ToolCallDelta) -> bool:
        """Whether `piece` belongs to this call. One that changes its id or name goes on to be refused as malformed."""
        return piece.index == self.index and piece.id in ("", self.call.id) and piece.name in ("", self.call.name)

    def complete(self) -> v1.ToolCall:
        self.call.arguments_json = "".join(self._arguments)
        return self.call

    def delta(self, choice_index: int, call: v1.ToolCall) -> v1.Delta:
        """The call as it leaves. State and log probabilities leave only with the call that they belong to."""
        piece = v1.ToolCallDelta(
            index=self.index,
            id=call.id,
            name=call.name,
            arguments_json=call.arguments_json,
            extensions=call.extensions,
        )
        delta = v1.Delta(choice_index=choice_index, tool_call=piece)
        if call == self.call:
            delta.state = self.state
            delta.logprobs.extend(self.logprobs)
        return delta

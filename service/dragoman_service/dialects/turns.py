"""Turns in dialects without a role for tools, and what a tool returned in dialects that take files with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman import v1

from dragoman_service.dialects.media import is_media


class TurnSplitter:
    """Makes the messages of one turn of `role`: tool results are apart from what else the turn says."""

    def __init__(self, role: v1.Role.ValueType) -> None:
        self._role = role
        self.message = v1.Message(role=role)
        """The message that the next parts may belong to."""

    def add(self, parts: Sequence[v1.Part]) -> Iterator[v1.Message]:
        """Takes a part with those that belong to it, if there is one. Yields the message that it ends."""
        if not parts:
            return
        owner = v1.ROLE_TOOL if parts[0].HasField("tool_result") else self._role
        if self.message.role != owner:
            if self.message.parts:
                yield self.message
            self.message = v1.Message(role=owner)
        self.message.parts.extend(parts)

    def end(self) -> v1.Message:
        """The last message. A turn without parts is one too."""
        if not self.message.parts:
            self.message.parts.add(text="")
        return self.message


def with_files(parts: Iterable[v1.Part]) -> list[tuple[v1.Part, list[v1.Part]]]:
    """The tool results among the parts of messages of ROLE_TOOL, each with the media that follow it."""
    found: list[tuple[v1.Part, list[v1.Part]]] = []
    for part in parts:
        if part.HasField("tool_result"):
            found.append((part, []))
        elif found and is_media(part):
            found[-1][1].append(part)
    return found

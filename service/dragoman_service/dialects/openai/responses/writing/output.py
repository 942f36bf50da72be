"""Builds the items of an answer from its deltas, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.responses.ids import item_id
from dragoman_service.dialects.openai.responses.states import AFTER, EMPTY, encode_keys, encode_state
from dragoman_service.dialects.openai.responses.writing.forms import REASONING, REFUSAL, SUMMARY, TEXT, Form, Wire
from dragoman_service.dialects.openai.server.logprobs import chat_logprobs
from dragoman_service.dialects.openai.server.response import encode_extensions

_CALL = frozenset({"id", "type", "call_id", "name", "arguments", "status"})


@dataclass(slots=True)
class _Open:
    """The item that deltas go to."""

    index: int
    item: Wire
    form: Form | None = None
    """That of the open part, None for a call."""
    texts: list[str] = field(default_factory=list)
    """Of the open part, or the arguments of a call."""
    logprobs: list[Any] = field(default_factory=list)
    call: int = -1
    state: bytes = b""
    silent: bool = False
    """A call that the stream has told of before: it is sent as a whole."""


class OutputItems:
    """Takes the deltas of one choice. `summarize`: reasoning is a summary, as its caller asked."""

    def __init__(self, response: str, *, summarize: bool) -> None:
        self._response, self._thoughts = response, SUMMARY if summarize else REASONING
        self._count = 0
        self._open: _Open | None = None
        self._calls: dict[str, tuple[int, str]] = {}  # index and id of the item of each call
        self._void: dict[str, tuple[int, str]] = {}  # the same of calls that were retracted
        self._said = 0  # characters of text in the parts before
        self._citations: list[v1.Citation] = []
        self.done: list[Wire] = []
        """The items that are complete."""

    def feed(self, delta: v1.Delta) -> Iterator[Wire]:
        """The events of a delta."""
        match delta.WhichOneof("content"):
            case "text" if delta.text or delta.state:
                yield from self._text(TEXT, delta)
            case "refusal" if delta.refusal or delta.state:
                yield from self._text(REFUSAL, delta)
            case "reasoning" if delta.reasoning or delta.state:
                yield from self._reasoning(delta)
            case "tool_call":
                yield from self._call(delta)

    def cite(self, citations: Sequence[v1.Citation]) -> None:
        """Puts sources on the text that is open, or comes next."""
        self._citations += citations

    def finish(self, keys: Mapping[str, str], status: str = "completed") -> Iterator[Wire]:
        """The choice has ended. `keys` are those of a vendor that belong to the whole message."""
        yield from self._close(status)
        if keys:
            yield from self._thought(encode_keys(dict(keys)))

    def retract(self) -> Iterator[Wire]:
        """The items so far are void. Others will follow them."""
        yield from self._close("incomplete")
        self.done, self._said, self._citations = [], 0, []
        self._void |= self._calls

    def _text(self, form: Form, delta: v1.Delta) -> Iterator[Wire]:
        text = delta.text or delta.refusal
        if not text and (self._open is None or self._open.form is not form):
            yield from self._close()
            yield from self._thought(encode_state(delta.state, EMPTY))
            return
        yield from self._begin(form, "message", "msg", {"role": "assistant", "content": []})
        yield from self._append(text, _logprobs(delta))
        if delta.state:
            yield from self._complete(delta.state)

    def _reasoning(self, delta: v1.Delta) -> Iterator[Wire]:
        form = self._thoughts
        if not delta.reasoning and (self._open is None or self._open.form is not form):
            yield from self._close()
            yield from self._thought(encode_state(delta.state))
            return
        yield from self._begin(form, "reasoning", "rs", {"summary": [], "content": [], "encrypted_content": None})
        yield from self._append(delta.reasoning, [])
        if delta.state:
            yield from self._complete(delta.state)

    def _call(self, delta: v1.Delta) -> Iterator[Wire]:
        piece = delta.tool_call
        if self._open is None or self._open.call != piece.index:
            yield from self._close()
            yield from self._begin_call(piece)
        if (opened := self._open) is None:
            return
        opened.item |= encode_extensions(piece, _CALL)
        opened.state = delta.state or opened.state
        if piece.arguments_json:
            opened.texts.append(piece.arguments_json)
            if not opened.silent:
                yield self._event("function_call_arguments.delta", delta=piece.arguments_json)

    def _begin_call(self, piece: v1.ToolCallDelta) -> Iterator[Wire]:
        values: Wire = {"call_id": piece.id, "name": piece.name, "arguments": ""}
        if piece.id in self._void:  # clients know calls by these ids, and refuse a call that moves
            index, name = self._void[piece.id]
            item = {"id": name, "type": "function_call", "status": "in_progress", **values}
            self._open = _Open(index, item, call=piece.index, silent=True)
            return
        yield from self._add("function_call", "fc", values)
        if self._open is not None:
            self._open.call = piece.index
            self._calls[piece.id] = self._open.index, self._open.item["id"]

    def _begin(self, form: Form, kind: str, prefix: str, values: Wire) -> Iterator[Wire]:
        """Goes on with the open part if it has that form, or opens another part or item."""
        if self._open is not None and self._open.form is form:
            return
        if self._open is None or self._open.item["type"] != kind:
            yield from self._close()
            yield from self._add(kind, prefix, values)
        else:
            yield from self._end_part()
        if (opened := self._open) is not None:
            opened.form, opened.texts, opened.logprobs = form, [], []
            yield self._event(f"{form.part_event}.added", part=form.part(""), **self._place(form))

    def _add(self, kind: str, prefix: str, values: Wire) -> Iterator[Wire]:
        name = item_id(prefix, self._response, self._count)
        item: Wire = {"id": name, "type": kind, "status": "in_progress", **values}
        self._open = _Open(self._count, item)
        self._count += 1
        yield {"type": "response.output_item.added", "output_index": self._open.index, "item": _copy(item)}

    def _append(self, text: str, logprobs: list[Any]) -> Iterator[Wire]:
        opened = self._open
        if opened is None or opened.form is None or not (text or logprobs):
            return
        opened.texts.append(text)
        opened.logprobs += logprobs
        more = {"logprobs": logprobs} if opened.form is TEXT else {}
        yield self._event(f"{opened.form.text_event}.delta", delta=text, **self._place(opened.form), **more)

    def _complete(self, state: bytes) -> Iterator[Wire]:
        """Ends the open item, whose state has come."""
        if self._open is not None:
            self._open.state = state
        yield from self._close()

    def _end_part(self) -> Iterator[Wire]:
        opened = self._open
        if opened is None or (form := opened.form) is None:
            return
        text, place = "".join(opened.texts), self._place(form)
        part = form.part(text)
        if form is TEXT:
            part |= {"annotations": self._annotations(text), "logprobs": opened.logprobs}
            self._said += len(text)
        more = {"logprobs": opened.logprobs} if form is TEXT else {}
        yield self._event(f"{form.text_event}.done", **{form.key: text}, **place, **more)
        yield self._event(f"{form.part_event}.done", part=part, **place)
        opened.item[form.place].append(part)
        opened.form = None

    def _close(self, status: str = "completed") -> Iterator[Wire]:
        if (opened := self._open) is None:
            return
        item = opened.item
        if item["type"] == "function_call":
            item["arguments"] = "".join(opened.texts)
            yield self._event("function_call_arguments.done", arguments=item["arguments"], name=item["name"])
        yield from self._end_part()
        item["status"] = status
        if item["type"] == "reasoning" and opened.state:
            item["encrypted_content"], opened.state = encode_state(opened.state), b""
        yield self._finished(opened.index, item)
        self._open = None
        if opened.state:
            yield from self._thought(encode_state(opened.state, AFTER))

    def _thought(self, encrypted: str) -> Iterator[Wire]:
        """An item of reasoning that holds nothing but a state."""
        yield from self._add("reasoning", "rs", {"summary": [], "content": [], "encrypted_content": encrypted})
        if self._open is not None:
            yield from self._close()

    def _finished(self, index: int, item: Wire) -> Wire:
        self.done.append(item)
        return {"type": "response.output_item.done", "output_index": index, "item": _copy(item)}

    def _place(self, form: Form) -> Wire:
        return {form.index: 0 if self._open is None else len(self._open.item[form.place])}

    def _event(self, event: str, /, **values: Any) -> Wire:
        if self._open is None:
            raise LookupError(event)
        where = {"item_id": self._open.item["id"], "output_index": self._open.index}
        return {"type": f"response.{event}", **where, **values}

    def _annotations(self, text: str) -> list[Wire]:
        """The sources of a text, whose places count from the start of all texts."""
        cited, self._citations = self._citations, []
        return [
            {
                "type": "url_citation",
                "start_index": max(0, citation.start_index - self._said),
                "end_index": max(0, min(citation.end_index - self._said, len(text))),
                "url": citation.uri,
                "title": citation.title,
            }
            for citation in cited
            if citation.uri
        ]


def _logprobs(delta: v1.Delta) -> list[Any]:
    found = chat_logprobs(delta.logprobs)
    return found["content"] if found is not None else []


def _copy(item: Wire) -> Wire:
    """The item as it is now: its lists grow."""
    return {key: list(value) if isinstance(value, list) else value for key, value in item.items()}

"""Random messages of any protobuf type, made by its descriptor, so that new fields and methods are covered at once."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from values import INTEGERS, NUMBERS, TEXTS, mutated_bytes

F = FieldDescriptor
_BITS = {
    F.CPPTYPE_INT32: (31, True),
    F.CPPTYPE_INT64: (63, True),
    F.CPPTYPE_UINT32: (32, False),
    F.CPPTYPE_UINT64: (64, False),
}
_NOT_UTF8 = "QzQzQzQz"  # as long in a message as the bytes that take its place
_DEEPEST = 6


class Messages:
    """Makes messages. `words` are sound values of fields by the field's name; more are learnt from answers."""

    def __init__(self, words: dict[str, list[Any]]) -> None:
        self._words: dict[str, list[Any]] = defaultdict(list, words)

    def random(self, chance: Random, kind: Descriptor, depth: int = 0) -> Message:
        """A message in which some fields have values, sound ones and hostile ones."""
        message = GetMessageClass(kind)()
        for field in kind.fields:
            sound = field.name in self._words
            if chance.random() < (0.9 if sound else 0.3 / (depth + 1)):
                self._fill(chance, message, field, depth)
        return message

    def mutated(self, chance: Random, message: Message) -> Message:
        """A copy of a sound message in which one to three fields, at any depth, are changed."""
        copy = type(message)()
        copy.CopyFrom(message)
        for _ in range(chance.randint(1, 3)):
            target, depth = copy, 0
            while chance.random() < 0.6 and (inner := _inside(target)):
                target, depth = chance.choice(inner), depth + 1
            if target.DESCRIPTOR.fields:
                field = chance.choice(target.DESCRIPTOR.fields)
                target.ClearField(field.name)
                if chance.random() < 0.85:
                    self._fill(chance, target, field, depth)
        return copy

    def encoded(self, chance: Random, message: Message) -> bytes:
        """The message on the wire, where it may hold text that is not UTF-8, or be damaged."""
        raw = message.SerializePartialToString().replace(_NOT_UTF8.encode(), b"\xff\xed\xa0\x80\xc3(\xfe\x80")
        return mutated_bytes(chance, raw) if chance.random() < 0.2 else raw

    def learn(self, answer: Message) -> None:
        """Remembers texts of an answer, such as names and page tokens, for requests that have such fields too."""
        for field, value in answer.ListFields():
            if field.cpp_type == F.CPPTYPE_STRING and isinstance(value, str) and value:
                for name in {field.name, field.name.removeprefix("next_")}:
                    self._words[name] = [*self._words[name][-20:], value]
            elif field.cpp_type == F.CPPTYPE_MESSAGE:
                for inner in [value] if isinstance(value, Message) else list(value)[:3]:
                    if isinstance(inner, Message):
                        self.learn(inner)

    def _fill(self, chance: Random, message: Any, field: FieldDescriptor, depth: int) -> None:
        if depth > _DEEPEST:
            return
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(chance, message, field, depth)
        elif field.is_repeated:
            many = chance.choice((1, 1, 2, 3, 300 if depth < 2 else 3))
            values = [self._value(chance, field, depth) for _ in range(min(many, 3))]
            getattr(message, field.name).extend(values * (many // len(values)))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self.random(chance, field.message_type, depth + 1))
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, self._value(chance, field, depth))

    def _fill_map(self, chance: Random, message: Any, field: FieldDescriptor, depth: int) -> None:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        entries = getattr(message, field.name)
        for _ in range(chance.choice((1, 2, 100))):
            chosen = self._value(chance, key, depth)
            if value.message_type is None:
                entries[chosen] = self._value(chance, value, depth)
            else:
                entries[chosen].CopyFrom(self.random(chance, value.message_type, depth + 1))

    def _value(self, chance: Random, field: FieldDescriptor, depth: int) -> Any:
        fitting = str if field.cpp_type == F.CPPTYPE_STRING and field.type != F.TYPE_BYTES else int
        words = [word for word in self._words.get(field.name, ()) if isinstance(word, fitting)]
        if words and field.message_type is None and field.type != F.TYPE_BYTES and chance.random() < 0.7:
            return chance.choice(words)
        match field.cpp_type:
            case F.CPPTYPE_STRING if field.type == F.TYPE_BYTES:
                return chance.randbytes(chance.choice((0, 1, 40)))
            case F.CPPTYPE_STRING:
                return chance.choice((*TEXTS, _NOT_UTF8))
            case F.CPPTYPE_BOOL:
                return chance.random() < 0.5
            case F.CPPTYPE_FLOAT | F.CPPTYPE_DOUBLE:
                return chance.choice(NUMBERS)
            case F.CPPTYPE_ENUM:
                return chance.choice([*(value.number for value in field.enum_type.values), 99, -1])
            case F.CPPTYPE_MESSAGE:
                return self.random(chance, field.message_type, depth + 1)
        bits, signed = _BITS[field.cpp_type]
        return chance.choice([number for number in INTEGERS if -(2**bits) * signed <= number < 2**bits])


def _inside(message: Message) -> list[Message]:
    """The messages in the fields of `message`."""
    found: list[Message] = []
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        found += list(value) if field.is_repeated else [value]
    return found

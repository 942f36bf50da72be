"""Decodes requests: one instance and the parameters, as plain values, whichever wire they came over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest, unsupported
from dragoman_service.dialects.google.predict.server.parameters import decode_parameters, wrong

_USERS = frozenset({"user", "human"})
_ASSISTANTS = frozenset({"bot", "assistant", "model", "ai"})
_PROMPTS = ("content", "prompt", "prefix")
"""The keys of a prompt in the families of text and code, each of which takes all of them here."""
_CHAT = ("messages", "context", "examples")


def decode_request(instances: Sequence[Any], parameters: Any, decoded: PredictRequest, at: str) -> PredictRequest:
    """Decodes into `decoded`. `at` is the caller's name of `instances`.

    Raises INVALID_FIELD, or UNSUPPORTED_FIELD for what must not be left out.
    """
    if not instances:
        raise wrong(at, 'is required: one structure, such as {prompt: "Hello"}')
    if len(instances) > 1:
        raise unsupported(at, "send one instance in a request, and further ones in requests of their own.")
    instance, path = instances[0], f"{at}[0]"
    if not isinstance(instance, Mapping):
        raise wrong(path, 'must be a structure, such as {prompt: "Hello"}')
    keys = {camel_case(key): value for key, value in instance.items() if value is not None}
    decoded.chat = "messages" in keys
    decode = _conversation if decoded.chat else _prompt
    decoded.request.messages.extend(decode(keys, path))
    for key in keys.keys() - ((*_CHAT,) if decoded.chat else (*_PROMPTS, "suffix")):
        decoded.leave_out(f"{path}.{key[:64]}", "no key of this kind of instance has this name.")
    decoded.characters = sum(billable(part.text) for message in decoded.request.messages for part in message.parts)
    decode_parameters(decoded, parameters)
    return decoded


def billable(text: str) -> int:
    """The characters of a text that the vendor would count: all but white space."""
    return sum(map(len, text.split()))


def _prompt(keys: Mapping[str, Any], path: str) -> Iterator[v1.Message]:
    given = [key for key in _PROMPTS if key in keys]
    if not given:
        raise wrong(path, "needs one of prompt, content, prefix, messages")
    if len(given) > 1:
        raise wrong(f"{path}.{given[1]}", f"must not be set together with {given[0]}")
    if _text(keys.get("suffix", ""), f"{path}.suffix"):
        advice = "code is not filled in before given code. Ask for it in the prefix, and leave the suffix out."
        raise unsupported(f"{path}.suffix", advice)
    yield _message(v1.ROLE_USER, _text(keys[given[0]], f"{path}.{given[0]}"))


def _conversation(keys: Mapping[str, Any], path: str) -> Iterator[v1.Message]:
    """The context, then the examples as turns that came before, then the messages."""
    if context := _text(keys.get("context", ""), f"{path}.context"):
        yield _message(v1.ROLE_SYSTEM, context)
    for number, example in enumerate(_list(keys.get("examples"), f"{path}.examples")):
        yield from _example(example, f"{path}.examples[{number}]")
    messages = _list(keys["messages"], f"{path}.messages")
    if not messages:
        raise wrong(f"{path}.messages", "must hold at least one message")
    authors = [_author(message, f"{path}.messages[{number}]") for number, message in enumerate(messages)]
    for number, (author, message) in enumerate(zip(authors, messages, strict=True)):
        content = _text(_key(message, "content"), f"{path}.messages[{number}].content")
        yield _message(_role(author, authors[-1]), content)


def _example(example: Any, path: str) -> Iterator[v1.Message]:
    for key, role in (("input", v1.ROLE_USER), ("output", v1.ROLE_ASSISTANT)):
        said = _key(example, key)
        yield _message(role, _text(said if isinstance(said, str) else _key(said, "content"), f"{path}.{key}.content"))


def _author(message: Any, path: str) -> str:
    if not isinstance(message, Mapping):
        raise wrong(path, "must be a structure with author and content")
    author = message.get("author")
    return _text("" if author is None else author, f"{path}.author").lower()


def _role(author: str, last: str) -> v1.Role.ValueType:
    """The role of an author, whose name is free: the author of the last message is the user whom the model answers."""
    if author in _USERS:
        return v1.ROLE_USER
    if author in _ASSISTANTS:
        return v1.ROLE_ASSISTANT
    if author == "system":
        return v1.ROLE_SYSTEM
    return v1.ROLE_USER if author == last or not author else v1.ROLE_ASSISTANT


def _message(role: v1.Role.ValueType, text: str) -> v1.Message:
    return v1.Message(role=role, parts=[v1.Part(text=text)])


def _key(structure: Any, key: str) -> Any:
    return structure.get(key) if isinstance(structure, Mapping) else None


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong(path, "must be a text")
    return value


def _list(value: Any, path: str) -> list[Any]:
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise wrong(path, "must be a list")
    return value

"""Fields of a request that a model does not support: refused, or left out with a warning, never silently."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, MutableMapping, Sequence
from typing import cast

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.catalogue.reasoning import fit_reasoning
from dragoman_service.contract import CompletionError, FieldViolation

_PARTS = {  # content of a part: the path in Model.supported_fields
    "blob": "messages.blob",
    "file": "messages.file",
    "reasoning": "messages.reasoning",
    "refusal": "messages.refusal",
    "tool_call": "tools",
    "tool_result": "tools",
}
_TOOL_PARTS = frozenset(("tool_call", "tool_result"))
_SAFETY = "safety_settings"
EXTENSIONS = "extensions."
"""The start of the paths of extensions in `Model.supported_fields`, before their keys."""
_ESSENTIAL = (  # without these the answer would be another one, and nobody would see it in the answer
    "generation_config.choice_count",
    "generation_config.stop_sequences",
    "messages.blob",
    "messages.file",
    *(f"generation_config.response_format.{form}" for form in ("json_schema", "grammar")),
)
_NEUTRAL = {  # values that every provider honours by not sending them
    "choice_count": 1,
    "include_logprobs": False,
    "top_logprobs": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repetition_penalty": 1,
}


def fit_fields(
    request: v1.CompletionRequest, model: v1.Model, filtered: Collection[str] = ()
) -> tuple[v1.CompletionRequest, list[v1.Warning]]:
    """A copy of the request with the provider's name of the model and without unsupported fields, and the warnings.

    The fields in `filtered` are honoured by filters, so that the provider need not support them.

    Raises UNSUPPORTED_FIELD if the request does not allow fields to be left out, if nothing would remain of it, if its
    conversation would become meaningless, as it does without its tool calls, or if the answer would silently be another
    one, as it is without a stop sequence.
    """
    honoured = _honoured(request, model)
    lacking = [path for path in set_fields(request) if not _holds(path, honoured)]
    missing = [path for path in lacking if not _holds(path, filtered)]
    if "tools" in missing:  # the choice among them goes too
        missing = [path for path in missing if not path.startswith("tool_choice.")]
    if missing and request.unsupported_field_policy != v1.UNSUPPORTED_FIELD_POLICY_WARN:
        raise _unsupported(missing, request, model)
    if essential := [path for path in missing if path in _ESSENTIAL]:
        raise _unsupported(essential, request, model, "Leaving it out would change the answer. Choose another model.")
    if "tools" in missing and _TOOL_PARTS & _kinds(request):
        raise _unsupported(missing, request, model, "Tool calls and results cannot be left out of a conversation.")
    fitted = v1.CompletionRequest()
    fitted.CopyFrom(request)
    fitted.model = model.provider_model
    for path in (*lacking, *(path for path in _neutral(request) if not _holds(path, honoured))):
        _clear(fitted, path)
    if fitted.generation_config.reasoning.HasField("budget_tokens"):
        fit_reasoning(fitted.generation_config.reasoning, honoured)
    if not fitted.tools:  # a choice without tools means nothing, and some providers refuse it
        fitted.ClearField("tool_choice")
    if missing and not (fitted.messages or fitted.prompt):
        raise _unsupported(missing, request, model, "Nothing would remain of the request.")
    return fitted, [
        v1.Warning(
            field=path, reason="UNSUPPORTED_FIELD", message=f"{model.name} does not support it; it was left out."
        )
        for path in missing
    ]


def refusal_of(request: v1.CompletionRequest) -> Callable[[v1.Model, Collection[str]], bool]:
    """Reads the request once. The function says whether `fit_fields` would refuse it for a model and the fields that
    filters honour.
    """
    paths = set_fields(request)
    essential = request.unsupported_field_policy == v1.UNSUPPORTED_FIELD_POLICY_WARN

    def refuses(model: v1.Model, filtered: Collection[str]) -> bool:
        if not paths:
            return False
        honoured = set(_honoured(request, model))
        missing = [path for path in paths if not _holds(path, honoured) and not _holds(path, filtered)]
        return any(not essential or path in _ESSENTIAL or path == "tools" for path in missing)

    return refuses


def set_fields(request: v1.CompletionRequest) -> list[str]:
    """Paths of the optional fields that the request uses, as `Model.supported_fields` writes them."""
    config = request.generation_config
    paths = []
    for descriptor, value in config.ListFields():
        if _is_neutral(descriptor.name, value):
            continue
        path = f"generation_config.{descriptor.name}"
        if descriptor.name == "response_format":
            path += f".{config.response_format.WhichOneof('format')}"
        paths.append(path)
    used = {*_used_by_messages(request)}
    if request.prompt:
        used.add("prompt")
    if request.tools:
        used.add("tools")
        used.update(_tool_demands(request.tool_choice))
        used.update(f"tools.{EXTENSIONS}{key}" for tool in request.tools for key in tool.extensions)
    if request.safety_settings:
        used.update(f"{_SAFETY}.{setting.category}" for setting in request.safety_settings if _is_strict(setting))
    if request.extensions:
        used.update(EXTENSIONS + key for key in request.extensions)
    return paths + sorted(used)


def _used_by_messages(request: v1.CompletionRequest) -> Iterator[str]:
    for message in request.messages:
        if message.author:
            yield "messages.author"
        if message.extensions:
            yield from _keys(message)
        for part in message.parts:
            kind = part.WhichOneof("content")
            if kind in _PARTS:
                yield _PARTS[kind]
            if part.extensions:
                yield from _keys(part)
            if kind == "tool_call":
                yield from _keys(part.tool_call)


def _keys(owner: v1.Message | v1.Part | v1.ToolCall) -> Iterator[str]:
    return (f"messages.{EXTENSIONS}{key}" for key in owner.extensions)


def _is_strict(setting: v1.SafetySetting) -> bool:
    """A setting that blocks nothing is honoured by not sending it."""
    return setting.block_at != v1.SAFETY_THRESHOLD_NONE


def _holds(path: str, honoured: Collection[str]) -> bool:
    """Whether `path` is supported; that of an extension, wherever it is, by its key or by the word for all keys, and
    that of a safety setting by its category or for all categories."""
    if path in honoured or (path.startswith(f"{_SAFETY}.") and _SAFETY in honoured):
        return True
    _, extension, key = path.partition(EXTENSIONS)
    return bool(extension) and ("extensions" in honoured or f"{EXTENSIONS}{key}" in honoured)


def _extensions(request: v1.CompletionRequest) -> Iterator[tuple[str, MutableMapping[str, str]]]:
    """The extensions of the request and of all its parts, each with the start of the paths of its keys."""
    yield EXTENSIONS, request.extensions
    for tool in request.tools:
        yield f"tools.{EXTENSIONS}", tool.extensions
    for message in request.messages:
        yield f"messages.{EXTENSIONS}", message.extensions
        for part in message.parts:
            yield f"messages.{EXTENSIONS}", part.extensions
            if part.HasField("tool_call"):
                yield f"messages.{EXTENSIONS}", part.tool_call.extensions


def _honoured(request: v1.CompletionRequest, model: v1.Model) -> Collection[str]:
    if not request.prompt:
        return model.supported_fields
    return [path for path in model.supported_fields if path not in model.conversation_fields]


def _neutral(request: v1.CompletionRequest) -> Iterator[str]:
    for descriptor, value in request.generation_config.ListFields():
        if _is_neutral(descriptor.name, value):
            yield f"generation_config.{descriptor.name}"
    for setting in request.safety_settings:
        if not _is_strict(setting):
            yield f"{_SAFETY}.{setting.category}"


def _is_neutral(name: str, value: object) -> bool:
    """Whether a field of the generation config demands nothing of a provider. Reasoning that is only to be shown or
    hidden does not: the service hides it, and shows what there is."""
    if name == "reasoning":
        reasoning = cast("v1.ReasoningConfig", value)
        return not (reasoning.effort or reasoning.HasField("budget_tokens"))
    return name in _NEUTRAL and _NEUTRAL[name] == value


def _tool_demands(choice: v1.ToolChoice) -> Iterator[str]:
    """Demands on tool use that not every model with tools can meet."""
    if choice.mode == v1.ToolChoice.MODE_REQUIRED:
        yield "tool_choice.mode"
    if choice.HasField("parallel") and not choice.parallel:
        yield "tool_choice.parallel"


def _kinds(request: v1.CompletionRequest) -> set[str | None]:
    return {part.WhichOneof("content") for message in request.messages for part in message.parts}


def _clear(request: v1.CompletionRequest, path: str) -> None:
    if EXTENSIONS in path:
        for at, extensions in _extensions(request):
            if path.startswith(at):
                extensions.pop(path[len(at) :], None)
        return
    match path.split("."):
        case ["generation_config", name, *_]:
            request.generation_config.ClearField(name)  # type: ignore[arg-type]
        case ["messages", "author"]:
            for message in request.messages:
                message.ClearField("author")
        case ["messages", kind]:
            messages = [message for message in request.messages if _strip(message, kind)]
            del request.messages[:]
            request.messages.extend(messages)
        case ["safety_settings", *_]:
            kept = [one for one in request.safety_settings if f"{_SAFETY}.{one.category}" != path]
            del request.safety_settings[:]
            request.safety_settings.extend(kept)
        case ["tool_choice", "mode"]:
            request.tool_choice.mode = v1.ToolChoice.MODE_AUTO
        case ["tool_choice", name]:
            request.tool_choice.ClearField(name)  # type: ignore[arg-type]
        case [name]:
            request.ClearField(name)  # type: ignore[arg-type]


def _strip(message: v1.Message, kind: str) -> bool:
    """Removes the parts of that kind. Returns whether any part remains."""
    kept = [part for part in message.parts if part.WhichOneof("content") != kind]
    del message.parts[:]
    message.parts.extend(kept)
    return bool(kept)


def _unsupported(
    paths: Sequence[str], request: v1.CompletionRequest, model: v1.Model, why: str = ""
) -> CompletionError:
    honoured = _honoured(request, model)
    allowed = ", ".join(honoured) or "none"
    together = " together with a prompt" if request.prompt and "prompt" in honoured else ""
    advice = why or "Leave it out, choose another model, or set unsupported_field_policy to WARN."
    return CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_UNSUPPORTED_FIELD,
        f"{model.name} does not support {', '.join(paths)}{together}. {advice} Supported: {allowed}.",
        fields=tuple(FieldViolation(path, f"not supported by {model.name}") for path in paths),
        metadata={"model": model.name, "provider": model.provider},
    )

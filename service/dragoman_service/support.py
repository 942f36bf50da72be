"""Which fields of a request a model honours: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError, FieldViolation

_PARTS = ("reasoning", "refusal")
_ASKS_NOTHING = {  # values that every provider honours by leaving them out
    "choice_count": 1,
    "include_logprobs": False,
    "top_logprobs": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repetition_penalty": 1,
}


def fit(request: v1.CompletionRequest, model: v1.Model) -> tuple[v1.CompletionRequest, list[v1.Warning]]:
    """The request as `model` can take it: a copy with the provider's own model name and without unsupported fields.

    Raises UNSUPPORTED_FIELD where the request does not allow fields to be left out, or nothing would be left of it.
    """
    missing = [path for path in set_fields(request) if path not in model.supported_fields]
    if missing and request.unsupported_field_policy != v1.UNSUPPORTED_FIELD_POLICY_WARN:
        raise _unsupported(missing, model)
    fitted = v1.CompletionRequest()
    fitted.CopyFrom(request)
    fitted.model = model.provider_model
    for path in missing:
        _clear(fitted, path)
    if missing and not fitted.messages:
        raise _unsupported(missing, model)
    return fitted, [
        v1.Warning(
            field=path, reason="UNSUPPORTED_FIELD", message=f"{model.name} does not support it; it was left out."
        )
        for path in missing
    ]


def set_fields(request: v1.CompletionRequest) -> list[str]:
    """Paths of the optional fields that the request makes use of, as `Model.supported_fields` names them."""
    paths = []
    config = request.generation_config
    for descriptor, value in config.ListFields():
        if _ASKS_NOTHING.get(descriptor.name) == value:
            continue
        path = f"generation_config.{descriptor.name}"
        if descriptor.name == "response_format":
            path += f".{config.response_format.WhichOneof('format')}"
        paths.append(path)
    used = {part.WhichOneof("content") for message in request.messages for part in message.parts}
    return paths + [f"messages.{kind}" for kind in _PARTS if kind in used]


def _clear(request: v1.CompletionRequest, path: str) -> None:
    room, _, name = path.partition(".")
    if room == "generation_config":
        request.generation_config.ClearField(name.partition(".")[0])  # type: ignore[arg-type]
        return
    messages = [message for message in request.messages if _strip(message, name)]
    del request.messages[:]
    request.messages.extend(messages)


def _strip(message: v1.Message, kind: str) -> bool:
    """Takes the parts of that kind out; tells whether anything is left."""
    kept = [part for part in message.parts if part.WhichOneof("content") != kind]
    del message.parts[:]
    message.parts.extend(kept)
    return bool(kept)


def _unsupported(paths: Sequence[str], model: v1.Model) -> CompletionError:
    allowed = ", ".join(model.supported_fields) or "none"
    return CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_UNSUPPORTED_FIELD,
        f"{model.name} does not support {', '.join(paths)}. Leave it out, choose another model, or set "
        f"unsupported_field_policy to WARN. Supported: {allowed}.",
        fields=tuple(FieldViolation(path, f"not supported by {model.name}") for path in paths),
        metadata={"model": model.name, "provider": model.provider},
    )

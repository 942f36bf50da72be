"""A decoded request, with what its answer depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.errors import CompletionError, FieldViolation

LEFT_OUT = "UNSUPPORTED_FIELD"


@dataclass(slots=True)
class PredictRequest(DecodedRequest):
    """A request for a prediction. `request.model` holds the resource name, if the request does."""

    chat: bool = False
    """The answer holds `candidates`, because the request holds `messages`."""
    characters: int = 0
    """Characters of the prompt, without white space."""
    reject: bool = field(default=False, kw_only=True)
    """What no field stands for is refused instead of left out."""

    def leave_out(self, path: str, advice: str) -> None:
        """Leaves out what `path` names, with a warning. Raises UNSUPPORTED_FIELD if such fields are to be refused."""
        if self.reject:
            raise unsupported(path, advice)
        self.warnings.append(v1.Warning(field=path, reason=LEFT_OUT, message=f"not supported here: {advice}"))


def unsupported(path: str, advice: str) -> CompletionError:
    """UNSUPPORTED_FIELD for what would silently give another answer if it were left out."""
    message = f"{path} is not supported here: {advice}"
    violation = FieldViolation(path, f"not supported here: {advice}")
    return CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_UNSUPPORTED_FIELD, message, fields=(violation,))

"""The errors of a provider as its callers see them: retryable only before the first text, and without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from dragoman import v1
from google.rpc import code_pb2
from pydantic import SecretStr

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.upstream_errors import UNAVAILABLE, with_words, words_of
from dragoman_service.errors import broken_answer, malformed_answer
from dragoman_service.providers.upstream.connection import HttpError

Failure = HttpError | IncompleteAnswerError | CompletionError


def error_of(failure: Failure, *, begun: bool = False, secrets: Sequence[str] = ()) -> CompletionError:
    """The error that `failure` is to the caller. `begun`: deltas of the answer have been delivered.

    None of the `secrets`, which the upstream may have repeated, is in its message.
    """
    if not isinstance(failure, CompletionError):
        return broken_answer() if begun else _unanswered(failure)
    failure.message = _without(secrets, failure.message)
    if begun and _is_transient(failure):
        broken = broken_answer().with_metadata(**failure.metadata)
        broken.message = with_words(broken.message, words_of(failure.message))
        return broken
    return failure


class Failures:
    """Within `with`, failures of an answer are raised as `error_of` has them; as they are, if `secrets` are None."""

    __slots__ = ("_secrets", "begun")

    def __init__(self, secrets: Sequence[str] | None) -> None:
        self._secrets = secrets
        self.begun = False
        """A delta was delivered."""

    def after(self, events: Sequence[v1.CompletionEvent]) -> None:
        """These events are delivered now."""
        if not self.begun:
            for event in events:
                if event.HasField("delta"):
                    self.begun = True
                    break

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._secrets is not None and isinstance(failure, (HttpError, IncompleteAnswerError, CompletionError)):
            error = error_of(failure, begun=self.begun, secrets=self._secrets)
            if error is not failure:
                raise error from failure


def _without(secrets: Sequence[str], message: str) -> str:
    for secret in secrets:
        message = message.replace(secret, "…")
        if message.endswith("…"):  # the text was shortened, perhaps in the middle of a secret
            parts = (secret[:length] for length in range(len(secret) - 1, 3, -1))
            part = next((part for part in parts if message.endswith(part + "…")), "")
            message = message[: len(message) - len(part) - 1] + "…"
    return message


def secret_values(*secrets: SecretStr | None) -> tuple[str, ...]:
    """The values to remove from errors.

    Values of three characters or fewer are left out, because they would be found in any text.
    """
    return tuple(value for secret in secrets if secret is not None and len(value := secret.get_secret_value()) > 3)


def counts_only() -> CompletionError:
    """CAPABILITY_MISSING from a provider whose upstream counts the tokens of a prompt, but does not show them."""
    message = "This provider splits no text into tokens. It only counts them."
    return CompletionError(code_pb2.UNIMPLEMENTED, v1.ERROR_REASON_CAPABILITY_MISSING, message)


def _unanswered(failure: HttpError | IncompleteAnswerError) -> CompletionError:
    if isinstance(failure, HttpError) and failure.malformed:
        return malformed_answer("answered with something other than HTTP")
    return UNAVAILABLE.error()


def _is_transient(error: CompletionError) -> bool:
    """The same request could succeed, had no part of an answer been delivered. PROVIDER_IDLE already says that."""
    may_pass = error.retryable or error.code == code_pb2.UNAVAILABLE
    return may_pass and error.reason != v1.ERROR_REASON_PROVIDER_IDLE

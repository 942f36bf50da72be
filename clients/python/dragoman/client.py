"""The client for blocking code."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Self, Unpack

from google.longrunning import operations_pb2

from dragoman import v1
from dragoman.channel import DEFAULT_TIMEOUT, TLS, Connection
from dragoman.link import Link
from dragoman.operation import OperationHandle
from dragoman.request import Options, Prompt, StartOptions, completion_request, start_request, tokenize_request


class Client:
    """Asks models through a Dragoman service; safe to use from several threads at once.

    `target` is the service's host:port (default: $DRAGOMAN_TARGET, else 127.0.0.1:50051). `api_key` travels with each
    call (default: $DRAGOMAN_API_KEY, else none); without TLS everyone on the way can read it. `tls=True` trusts the
    usual authorities, `tls=TLS(…)` tells more. `timeout` is the seconds that a call may take which does not say
    otherwise.

    All methods raise `DragomanError`. Calls that can be repeated without harm are tried up to four times while the
    service is unavailable. Close the client, or use it as a context manager.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._link = Link(Connection.of(target, api_key, tls, timeout))

    def complete(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> v1.Completion:
        """The whole answer; `text_of` reads its text. The default model is "local", or what a whole request names."""
        return self._link.call(
            self._link.completions.CreateCompletion, completion_request(prompt, model, options), timeout
        )

    def stream(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> Generator[v1.CompletionEvent, None, None]:
        """The answer as it comes: `event.delta.text` is the next piece of it, empty for other events.

        A stream that failed raises its error at the end, after the `finished` event that tells of it; one that ends
        without `finished` raises BrokenStreamError. Closing the generator, or losing the last reference to it, stops
        the model's work.

        With `disconnect_policy="continue"` or a `request_id` the completion is an operation, which the first event
        names: it goes on when the caller leaves, and a stream that breaks is gone on with, as `attach` does.
        """
        return self._link.stream(completion_request(prompt, model, options), timeout)

    def start(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[StartOptions]
    ) -> OperationHandle:
        """Asks for an answer that can be fetched later, by anyone who knows the operation's name and has the same key.

        `timeout` is for the start alone. Without a `request_id` a new one is made up for each call, which is why it
        can be repeated while the service is unavailable and still starts one operation.
        """
        request = start_request(prompt, model, options)
        return OperationHandle(self._link, self._link.call(self._link.completions.StartCompletion, request, timeout))

    def attach(
        self, name: str, after_sequence: int = 0, *, timeout: float | None = None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """The events of the operation of that name, see `OperationHandle.events`."""
        return self.operation(name).events(after_sequence, timeout=timeout)

    def operation(self, name: str) -> OperationHandle:
        """The operation of that name; asks nothing yet."""
        return OperationHandle(self._link, operations_pb2.Operation(name=name))

    def operations(self, filter: str = "", page_size: int = 0) -> Iterator[operations_pb2.Operation]:  # noqa: A002
        """One's own operations; `metadata_of` and `completion_of` read them.

        `page_size` is how many are fetched at a time, 0 leaves it to the service.
        """
        request = operations_pb2.ListOperationsRequest(filter=filter, page_size=page_size)
        while True:
            page = self._link.call(self._link.operations.ListOperations, request)
            yield from page.operations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def models(self) -> list[v1.Model]:
        """The models that can be asked, ordered by name."""
        request = v1.ListModelsRequest()
        models: list[v1.Model] = []
        while True:
            page = self._link.call(self._link.models.ListModels, request)
            models.extend(page.models)
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    def model(self, name: str) -> v1.Model:
        """The model of that name or alias."""
        return self._link.call(self._link.models.GetModel, v1.GetModelRequest(name=name))

    def count_tokens(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> v1.CountTokensResponse:
        """How many tokens the prompt has, the model's own template included."""
        return self._link.call(self._link.completions.CountTokens, completion_request(prompt, model, options), timeout)

    def tokenize(
        self, text: str | v1.CompletionRequest, *, model: str | None = None, timeout: float | None = None
    ) -> list[v1.Token]:
        """The tokens of a text on its own, or of a whole request's prompt as the model would see it."""
        return list(self._link.call(self._link.completions.Tokenize, tokenize_request(text, model), timeout).tokens)

    def close(self) -> None:
        """Closes the connection; calls under way are cancelled."""
        self._link.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

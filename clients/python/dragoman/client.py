"""The blocking client."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Self, Unpack

from google.longrunning import operations_pb2

from dragoman import v1
from dragoman.channel import (
    DEFAULT_LONGEST_WAIT,
    DEFAULT_RECONNECT_DELAY,
    DEFAULT_RECONNECT_TIMEOUT,
    DEFAULT_TIMEOUT,
    TLS,
    Connection,
)
from dragoman.operation import OperationHandle
from dragoman.request import Options, Prompt, StartOptions, completion_request, start_request, tokenize_request
from dragoman.transport import Transport


class Client:
    """Blocking client of a Dragoman service. It is thread-safe.

    - `target`: address of the service, host:port. Default: $DRAGOMAN_TARGET, else 127.0.0.1:50051.
    - `api_key`: sent with each call. Default: $DRAGOMAN_API_KEY, else none. Without TLS, the network can read it.
    - `tls`: True trusts gRPC's built-in authorities; a `TLS` object sets more. Default: no TLS.
    - `timeout`: seconds that a call may take unless the call sets its own timeout.
    - `reconnect_timeout`: seconds without contact with the service after which reading or awaiting an operation fails.
    - `reconnect_delay`: most seconds before the first attempt to reconnect; doubles with each further one, up to 5 s.
    - `longest_wait`: seconds of one WaitOperation call; a longer wait consists of several calls.

    All methods raise `DragomanError` if a call fails, and TypeError or ValueError if an argument cannot be sent. While
    the service is unavailable, calls that are safe to repeat are tried up to four times. Close the client, or use it as
    a context manager.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        reconnect_timeout: float = DEFAULT_RECONNECT_TIMEOUT,
        reconnect_delay: float = DEFAULT_RECONNECT_DELAY,
        longest_wait: float = DEFAULT_LONGEST_WAIT,
    ) -> None:
        connection = Connection.of(
            target,
            api_key,
            tls,
            timeout=timeout,
            reconnect_timeout=reconnect_timeout,
            reconnect_delay=reconnect_delay,
            longest_wait=longest_wait,
        )
        self._transport = Transport(connection)

    def complete(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> v1.Completion:
        """Returns the complete answer; `text_of` reads its text.

        `model` defaults to the model of a `v1.CompletionRequest`, else to "local".
        """
        return self._transport.call(
            self._transport.completions.CreateCompletion, completion_request(prompt, model, options), timeout
        )

    def stream(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> Generator[v1.CompletionEvent, None, None]:
        """Yields the answer as events: `event.delta.text` is the next fragment of it, empty in other events.

        A stream that fails raises its error after the `finished` event that carries it; one that ends without
        `finished` raises BrokenStreamError. Closing the generator, or dropping the last reference to it, stops the
        model.

        With `disconnect_policy="continue"` or a `request_id`, the completion is an operation, which the first event
        names: it continues when the caller leaves, and a stream that is interrupted resumes as `attach` does.
        """
        return self._transport.stream(completion_request(prompt, model, options), timeout)

    def start(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[StartOptions]
    ) -> OperationHandle:
        """Starts a long-running operation, which any holder of the same API key can read by its name.

        `timeout` applies to this call only, not to the operation. Without a `request_id`, each call generates one, so
        that retries while the service is unavailable start only one operation.
        """
        request = start_request(prompt, model, options)
        return OperationHandle(
            self._transport, self._transport.call(self._transport.completions.StartCompletion, request, timeout)
        )

    def attach(
        self, name: str, after_sequence: int = 0, *, timeout: float | None = None
    ) -> Generator[v1.CompletionEvent, None, None]:
        """Yields the events of the operation with that name, see `OperationHandle.events`."""
        return self.operation(name).events(after_sequence, timeout=timeout)

    def operation(self, name: str) -> OperationHandle:
        """A handle for the operation with that name. Makes no call."""
        return OperationHandle(self._transport, operations_pb2.Operation(name=name))

    def operations(self, filter: str = "", page_size: int = 0) -> Iterator[operations_pb2.Operation]:  # noqa: A002
        """Yields the caller's own operations, newest first; `metadata_of` and `completion_of` read them.

        `filter` is an AIP-160 expression such as `state = RUNNING`; empty matches all. `page_size` is the number of
        operations that one call fetches; 0 means the service's default.
        """
        request = operations_pb2.ListOperationsRequest(filter=filter, page_size=page_size)
        while True:
            page = self._transport.call(self._transport.operations.ListOperations, request)
            yield from page.operations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def models(self) -> list[v1.Model]:
        """The models that the caller may use, ordered by name."""
        request = v1.ListModelsRequest()
        models: list[v1.Model] = []
        while True:
            page = self._transport.call(self._transport.models.ListModels, request)
            models.extend(page.models)
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    def model(self, name: str) -> v1.Model:
        """The model with that name or alias."""
        return self._transport.call(self._transport.models.GetModel, v1.GetModelRequest(name=name))

    def explain_route(
        self, request: v1.CompletionRequest, *, caller: str = "", input_tokens: int | None = None
    ) -> v1.ExplainRouteResponse:
        """The targets of a request in the order in which they would be asked, and why others would not be.

        It needs an API key with the scope `admin.read`. `caller` is the id of the key that would send the request
        (default: this client's), `input_tokens` replaces the estimate of the prompt's size.
        """
        asked = v1.ExplainRouteRequest(request=request, caller=caller, input_tokens=input_tokens)
        return self._transport.call(self._transport.admin.ExplainRoute, asked)

    def workers(self) -> list[v1.Worker]:
        """The processes that share the service's store, on all hosts. It needs a key with the scope `admin.read`."""
        answer = self._transport.call(self._transport.admin.ListWorkers, v1.ListWorkersRequest())
        return list(answer.workers)

    def limits(self, model: str = "") -> list[v1.Limit]:
        """The limits of the caller's key, then those of its team, then those of the service. `model`: only those that
        apply to it.
        """
        request = v1.GetLimitsRequest(model=model)
        return list(self._transport.call(self._transport.limits.GetLimits, request).limits)

    def usage(
        self,
        filter: v1.UsageFilter | None = None,  # noqa: A002
        *,
        oldest_first: bool = False,
        page_size: int = 0,
    ) -> Iterator[v1.UsageRecord]:
        """Yields what attempts have used, newest first: the caller's own, or all with the scope `usage.read`.

        `oldest_first` leaves out the last 30 seconds, so that the same call yields the same records again. `page_size`
        is the number of records that one call fetches; 0 means the service's default.
        """
        request = v1.ListUsageRequest(filter=filter, page_size=page_size, oldest_first=oldest_first)
        while True:
            page = self._transport.call(self._transport.usage.ListUsage, request)
            yield from page.records
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def summarize_usage(
        self,
        *group_by: v1.SummarizeUsageRequest.Group.ValueType,
        filter: v1.UsageFilter | None = None,  # noqa: A002
    ) -> list[v1.UsageSummary]:
        """Sums of usage by at most three groups, the highest cost first. Whole hours are added up."""
        request = v1.SummarizeUsageRequest(filter=filter, group_by=group_by)
        return list(self._transport.call(self._transport.usage.SummarizeUsage, request).summaries)

    def count_tokens(
        self, prompt: Prompt, *, model: str | None = None, timeout: float | None = None, **options: Unpack[Options]
    ) -> v1.CountTokensResponse:
        """Counts the tokens of the prompt, including the model's own template."""
        return self._transport.call(
            self._transport.completions.CountTokens, completion_request(prompt, model, options), timeout
        )

    def tokenize(
        self, text: str | v1.CompletionRequest, *, model: str | None = None, timeout: float | None = None
    ) -> list[v1.Token]:
        """Splits a plain text, or the prompt of a request as the model would see it, into tokens."""
        return list(
            self._transport.call(self._transport.completions.Tokenize, tokenize_request(text, model), timeout).tokens
        )

    def close(self) -> None:
        """Closes the connection and cancels the calls in progress."""
        self._transport.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

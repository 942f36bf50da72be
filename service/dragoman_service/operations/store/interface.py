"""What the service needs of a store of operations: a protocol that other packages may implement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from dragoman_service.operations.model.changes import OnChange, Work
from dragoman_service.operations.model.claims import ClaimRequest, Claims, Pending
from dragoman_service.operations.model.records import Ended, Ending, Held, New, Record, Step, View
from dragoman_service.operations.model.requests import Cancellation, Page, PageRequest, Started
from dragoman_service.operations.model.workers import Worker


class OperationStore(Protocol):
    """Keeps operations and their event logs.

    Laws (`dragoman_service.testing.operation_laws.OperationStoreLaws`):
    1. A method that writes does so as a whole or not at all, and returns once its changes are durable.
    2. A method that reads sees one consistent moment.
    3. An operation that has expired is as if it did not exist, swept or not.
    4. A write of a worker (`renew`, `append`, `finish`, `requeue`) changes nothing unless its lease (id, attempt,
       worker) is the newest of a RUNNING operation.
    5. Times are milliseconds since 1970 by one clock, the store's own, whatever the clocks of its users say.
    6. After each commit all who have the store open are told, see `OnChange`. A store that may have lost notifications
       says so with `changed=None`.
    7. Methods raise CompletionError OPERATIONS_UNAVAILABLE while the store cannot be used, and work again by
       themselves once it can.
    """

    # For callers.

    async def start(self, new: New, work: Work = Work.OPEN) -> Started:
        """Stores a new operation, QUEUED, or returns the earlier one that prevents it.

        An earlier operation with the same owner and request id prevents it, unless `may_run_again` says that it gives
        up its request id; an operation with the same id prevents it. `work` is passed on with the notification.
        """
        ...

    async def get(self, owner: str, operation_id: str) -> Record | None:
        """The operation; None: the owner has no such operation."""
        ...

    async def request(self, owner: str, operation_id: str) -> bytes | None:
        """The request that the operation keeps, see `New.keep_request`; empty: it keeps none. None: as for `get`."""
        ...

    async def view(self, owner: str, operation_id: str, after: int, most_bytes: int) -> View | None:
        """The operation and the chunks of its log that hold events after number `after`, in order.

        As many chunks as hold `most_bytes` bytes or a little more, but at least one. While there are chunks, the
        operation may lack its response. None: as for `get`.
        """
        ...

    async def page(self, request: PageRequest) -> Page:
        """The owner's operations that meet a condition, newest first by creation time and id."""
        ...

    async def cancel(self, owner: str, operation_id: str, error: bytes, ttl: int) -> Cancellation | None:
        """Ends a queued operation with `error`, a serialized google.rpc.Status; marks a running one.

        `ttl`: milliseconds that an operation without a TTL of its own is kept. None: as for `get`.
        """
        ...

    async def delete(self, owner: str, operation_id: str) -> bool:
        """Deletes the operation and its log. False: the owner has no such operation."""
        ...

    async def stored(self, owner: str, most: int) -> int:
        """How many operations the owner has, or `most` if there are more: a count costs time."""
        ...

    async def has_request(self, owner: str, request_id: str) -> bool:
        """Whether an operation of the owner has the request id, so that `start` with it need not store one more."""
        ...

    async def count_states(self) -> Mapping[str, int]:
        """How many operations are in each state; every state is a key."""
        ...

    async def oldest_queued(self) -> int:
        """How many milliseconds ago the oldest queued operation was created; 0 without one."""
        ...

    async def page_key(self) -> bytes:
        """A secret key that signs page tokens, the same for all who share the store."""
        ...

    # For workers.

    async def pending(self, held: Sequence[Held]) -> Pending:
        """Whether there is anything to claim beside the leases in `held`: a cheap look, often asked in vain."""
        ...

    async def claim(self, request: ClaimRequest) -> Claims:
        """Claims operations: they become RUNNING, their attempt number grows by one, and their progress starts over.

        Operations that have lost as many workers as `max_attempts` allows end as FAILED, WORKER_LOST, instead, unless
        they are to be cancelled.
        """
        ...

    async def renew(self, lease: int, held: Sequence[Held]) -> Mapping[str, bool]:
        """Renews leases for `lease` milliseconds from now. Returns those still held, by id: is it to be cancelled?"""
        ...

    async def orders(self, held: Sequence[Held]) -> Mapping[Held, bool]:
        """Those of `held` that nobody else has claimed or deleted, and whether each is to be cancelled.

        Attempts that have just ended or were given back are among them. It waits for no writer.
        """
        ...

    async def append(self, steps: Sequence[Step]) -> set[str]:
        """Writes progress and appends to logs. Returns the ids of those whose lease is still held.

        A chunk may repeat events that are stored already, and add some: its writer could not know.
        """
        ...

    async def finish(self, held: Held, ending: Ending, ttl: int) -> Ended | None:
        """Writes the final state. None: the lease is not held any more. `ttl` is as for `cancel`."""
        ...

    async def requeue(self, held: Held, losses: int) -> bool:
        """Gives an operation back to the queue and adds to its lost workers, or without any to its `handbacks`.

        False: the lease is not held any more.
        """
        ...

    async def beat(self, worker: Worker) -> None:
        """Notes that the worker, which has the store open, lives; its times are the store's."""
        ...

    async def leave(self, worker_id: str) -> None:
        """Forgets a worker that ends."""
        ...

    async def workers(self) -> Sequence[Worker]:
        """The workers that were heard of within the last SILENCE, by host and start."""
        ...

    async def compact(self, operation_id: str) -> None:
        """Stores the log of an operation that is done in fewer pieces. A store without a need for it does nothing."""
        ...

    async def sweep(self, limit: int) -> int:
        """Deletes at most `limit` expired operations and their logs; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class StoreContext:
    """What a store is opened with, beside its URL."""

    data_dir: Path
    """Where files go, unless the URL says otherwise. It may not exist yet."""
    on_change: OnChange
    """Told of every commit, by whatever process."""
    workers: int = 1
    """The processes of this server that will open the store."""
    migrate: bool = True
    """Whether opening creates or upgrades the tables. If not, a store that needs it raises OperationStoreError."""
    direct_url: str = field(default="", repr=False)
    """The same database as at the store's URL, for what needs a session that no pooler shares; empty: the URL does."""
    listen: Literal["notify", "poll"] = "notify"
    """Whether changes of other processes are listened for, or looked for several times a second."""
    watched: Callable[[], Collection[str]] = tuple
    """The ids of operations that somebody in this process waits for or runs, for stores that look for changes."""


OpenStore = Callable[[str, StoreContext], AbstractAsyncContextManager[OperationStore]]
"""What an entry point of the group `dragoman.stores` names: opens the store at a URL. Raises OperationStoreError with a
reason for the operator, who knows the URL; the reason must not quote it, since it may hold a password."""

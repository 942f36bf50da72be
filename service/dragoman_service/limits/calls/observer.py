"""What limits report of themselves, to metrics and the log."""

from __future__ import annotations

from typing import Protocol

from dragoman_service.contract import Call


class LimitObserver(Protocol):
    """Is told what happens to the calls. Its methods are called on the path of calls: they must not wait.

    `unit` is `requests`, `tokens` or `cost`; `limit` is as in `team/search cost/month`.
    """

    def refused(self, call: Call, unit: str, limit: str) -> None:
        """A limit refuses a call, or has ended its answer."""
        ...

    def shadowed(self, call: Call, unit: str, limit: str) -> None:
        """A limit would have refused the call if it were enforced."""
        ...

    def unavailable(self, call: Call) -> None:
        """A call is refused, because the store of limits cannot be used."""
        ...

    def settled(self, call: Call, provider: str, model: str, cost: int | None, *, estimated: bool) -> None:
        """An attempt has ended. `cost`: billionths of a US dollar; None: no price is known."""
        ...

    def reserved(self, call: Call, tokens: int) -> None:
        """So many tokens are reserved for the call so far."""
        ...

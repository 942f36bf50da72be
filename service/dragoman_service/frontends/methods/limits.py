"""LimitService: the limits of the caller, and how much of them is used."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.limits.chain import Chain, kind_of
from dragoman_service.limits.quotas import Quotas
from dragoman_service.limits.store.interface import Limit, Standing
from dragoman_service.transport.call_context import CallContext

_SCOPES = {"key": v1.Limit.SCOPE_KEY, "team": v1.Limit.SCOPE_TEAM, "service": v1.Limit.SCOPE_SERVICE}
_UNITS = {"requests": v1.Limit.UNIT_REQUESTS, "tokens": v1.Limit.UNIT_TOKENS, "cost": v1.Limit.UNIT_NANO_USD}


def quotas_of(context: FrontendContext) -> Quotas:
    """What the service knows of limits and usage. Raises CAPABILITY_MISSING if it keeps neither."""
    if context.quotas is None:
        raise CompletionError(
            code_pb2.UNIMPLEMENTED,
            v1.ERROR_REASON_CAPABILITY_MISSING,
            "This service keeps neither limits nor usage. Its operator can turn them on in the settings, with [limits] "
            "or usage.record.",
        )
    return context.quotas


class Limits:
    """Shows callers the limits of their key, of its team and of the service, and those of nobody else."""

    def __init__(self, context: FrontendContext) -> None:
        self._context = context

    async def get(self, request: v1.GetLimitsRequest, call: CallContext) -> v1.GetLimitsResponse:
        quotas = quotas_of(self._context)
        limits = self._of(quotas.chain, call.caller, request.model)
        standings = await quotas.ledger.store.standings(limits)
        return v1.GetLimitsResponse(limits=[_shown(one) for one in standings])

    def _of(self, chain: Chain, caller: str, model: str) -> Sequence[Limit]:
        if model:
            target = self._context.engine.resolve(model, caller)
            return chain.of(caller, (model, target.model.name))
        return [limit for limit in chain.all_of(caller) if self._may_see(limit, caller)]

    def _may_see(self, limit: Limit, caller: str) -> bool:
        """False for limits that are shared with others and would tell of models that the caller may not use."""
        pattern, allowed = kind_of(limit).pattern, self._context.auth.allowed.get(caller)
        if not pattern or allowed is None or limit.scope.startswith("key/"):
            return True
        usable = any(fnmatchcase(name, pattern) for name, _ in self._context.engine.names(caller))
        return usable or any(fnmatchcase(pattern, may) for may in allowed)


def _shown(standing: Standing) -> v1.Limit:
    limit, kind = standing.limit, kind_of(standing.limit)
    shown = v1.Limit(
        scope=_SCOPES[limit.scope.partition("/")[0]],
        unit=_UNITS[kind.unit],
        model=kind.pattern,
        window=kind.window,
        calendar=bool(limit.period),
        limit=limit.cap,
        used=standing.used,
        reserved=standing.reserved,
        enforced=limit.enforced,
        refill=limit.refill,
    )
    end = standing.end if standing.end is not None else round(time.time() * 1000) + standing.reset_after
    shown.reset_time.FromMilliseconds(end)
    shown.reset_after.FromMilliseconds(standing.reset_after)
    return shown

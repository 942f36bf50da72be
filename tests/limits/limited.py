"""What tests of limited calls share: requests, what errors tell, and the counters of the service."""

import asyncio
from dataclasses import dataclass, field

from dragoman import v1
from google.rpc import error_details_pb2, status_pb2


def asked(model="vendor/scripted", text="hi", **fields):
    """A request for a completion."""
    request = v1.CompletionRequest(model=model, **fields)
    request.messages.add(role=v1.ROLE_USER).parts.add(text=text)
    return request


async def ask(served, **fields):
    """The completion of a unary call."""
    return await served.completions.CreateCompletion(asked(**fields), timeout=10)


@dataclass
class Fault:
    """The details of an error."""

    reason: str = ""
    retryable: bool = False
    retry_after: float | None = None
    quota: list = field(default_factory=list)


def fault(error):
    """What a gRPC error tells."""
    status, told = status_pb2.Status(), Fault()
    status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info, retry, quota = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    for detail in status.details:
        if detail.Unpack(info):
            told.reason, told.retryable = info.reason, info.metadata["retryable"] == "true"
        elif detail.Unpack(retry):
            told.retry_after = retry.retry_delay.ToMilliseconds() / 1000
        elif detail.Unpack(quota):
            told.quota = [(one.subject, one.description) for one in quota.violations]
    return told


def ledger(served):
    """The ledger of the service."""
    return served.running.quotas.ledger


async def totals(served, used=0):
    """The counters once everything is settled, idle units are returned, and at least `used` are used."""
    async with asyncio.timeout(5):
        while True:
            await ledger(served).allowances.return_idle(0)
            found = await ledger(served).store.check()
            if not (ledger(served).writer.unsettled or found.reserved) and found.used >= used:
                return found
            await asyncio.sleep(0.01)

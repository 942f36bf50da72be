"""A provider in a package of its own: it answers in capitals and knows nothing of the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dragoman import v1


@dataclass
class AcmeSettings:
    mark: str = "!"


class NothingToSayError(Exception):
    code = 3  # INVALID_ARGUMENT
    reason = v1.ERROR_REASON_PROVIDER_REJECTED
    message = "There is nothing to say."


class Acme:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def models(self) -> list[v1.Model]:
        return [v1.Model(provider_model="shout", aliases=["loud"], availability=v1.AVAILABILITY_READY)]

    async def complete(self, request: v1.CompletionRequest, call: object) -> AsyncIterator[v1.CompletionEvent]:
        words = request.messages[-1].parts[0].text.split()
        if words == ["nothing"]:
            raise NothingToSayError
        for word in words:
            yield v1.CompletionEvent(delta=v1.Delta(text=f"{word.upper()} "))
        yield v1.CompletionEvent(delta=v1.Delta(text=self.mark))
        yield v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP))


@asynccontextmanager
async def open_acme(settings: AcmeSettings) -> AsyncIterator[Acme]:
    yield Acme(settings.mark)

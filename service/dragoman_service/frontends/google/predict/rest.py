"""The vendor's predictions over REST."""

from __future__ import annotations

from contextlib import aclosing

from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.dialect import JsonDialect
from dragoman_service.frontends.google.predict.answers import Answers
from dragoman_service.frontends.http import EventStream, Method
from dragoman_service.transport.http.call import JSON, HttpCall

MODEL = "/v1/projects/{project}/locations/{location}/publishers/{publisher}/models/{model:.+}"
SSE = "text/event-stream"


class Rest:
    """Decodes bodies, and encodes what `answers` returns."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._complete = JsonDialect(stream=False, reject=answers.rejects)
        self._events = JsonDialect(reject=answers.rejects)
        self._array = JsonDialect(array=True, reject=answers.rejects)

    def routes(self) -> tuple[Method, ...]:
        """All methods."""
        return (
            Method("POST", f"{MODEL}:predict", "Predict", self._predict),
            Method("POST", f"{MODEL}:serverStreamingPredict", "ServerStreamingPredict", self._stream, streams=True),
        )

    async def _predict(self, http: HttpCall) -> None:
        decoded = await self._decoded(http, self._complete)
        http.accept()
        completion = await self._answers.complete(decoded, http.context.call(), http.warn)
        encode = self._complete.encode_completion
        await http.reply(await http.context.convert(completion.ByteSize(), encode, completion, decoded))

    async def _stream(self, http: HttpCall) -> None:
        events = http.request.query.get("alt") == "sse"
        dialect = self._events if events else self._array
        decoded = await self._decoded(http, dialect)
        http.accept(streaming=True)
        call, encoder = http.context.call(streaming=True), dialect.event_encoder(decoded)

        def warn(warnings: list[tuple[str, str]]) -> None:
            if http.response is None:
                http.warn(warnings)

        def announce() -> None:
            warn(self._answers.foreseen_warnings(decoded, call))

        async with (
            EventStream(
                http,
                encoder.fail,
                dialect.sign_of_life,
                content_type=SSE if events else JSON,
                announce=announce,
                opening=dialect.opening,
            ) as stream,
            aclosing(self._answers.stream(decoded, call, encoder, warn)) as pieces,
        ):
            async for piece in pieces:
                await stream.send(piece)

    async def _decoded(self, http: HttpCall, dialect: JsonDialect) -> PredictRequest:
        decoded = await http.decoded(dialect.decode_request)
        parts = http.request.found
        decoded.request.model = f"publishers/{parts['publisher']}/models/{parts['model']}"
        return decoded

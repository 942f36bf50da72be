"""The body of a request is not kept while its answer streams."""

from __future__ import annotations

import sys
from contextlib import aclosing

import pytest
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.providers.upstream.answering import HttpAnswers
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.timeouts import Timeouts
from openai_serving import ASKED
from scripted_upstream import End, upstream_of
from upstream_bytes import HEL, STREAM


@pytest.mark.parametrize("size", [100, 1_000_000])
async def test_the_body_of_a_request_is_freed_once_its_answer_has_begun(size: int) -> None:
    body = b'{"user": "%s"}' % (b"x" * size)
    before = sys.getrefcount(body)
    dialect = OpenAIClientDialect(Quirks())
    async with upstream_of(STREAM, HEL, End.HANG) as upstream, open_http(upstream.url) as http:
        answers = HttpAnswers(http, dialect.decode_error, Timeouts())
        answer = answers.post("/", 1, lambda: body, {}, lambda kind: dialect.event_decoder(ASKED, content_type=kind))
        async with aclosing(answer):
            await anext(answer)
            assert sys.getrefcount(body) == before

"""xAI's dialect keeps the laws, each side against the other."""

from __future__ import annotations

from dragoman import v1
from dragoman_service.dialects.xai.client.dialect import XaiClientDialect
from dragoman_service.dialects.xai.server.dialect import XaiServerDialect
from dragoman_service.testing import DialectLaws


class TestXai(DialectLaws):
    server = XaiServerDialect()
    client = XaiClientDialect()
    contents = ("text", "reasoning", "tool_call")
    finish_reasons = (
        v1.FINISH_REASON_STOP,
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
        v1.FINISH_REASON_CONTEXT_LENGTH,
        v1.FINISH_REASON_OTHER,
    )

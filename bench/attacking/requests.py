"""Requests that are small for their sender and large for whoever takes them: HTTP bodies and gRPC messages of 8 MiB."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1
from google.protobuf.descriptor import Descriptor

SIZE = 8 * 1024 * 1024 - 4096
CHAT, YANDEX = "/v1/chat/completions", "/foundationModels/v1/completion"
FIELDS = 400_000  # of metadata
CONTINUATION, HEADERS, DATA, SETTINGS = 9, 1, 0, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def bodies() -> Iterator[tuple[str, str, bytes]]:
    """What is in each, its path, and the body."""
    ask = b'"model": "echo", "messages": [{"role": "user", "content": "x"}]'
    tool = b'{"type": "function", "function": {"name": "f"}},'
    yield "130,000 tools", CHAT, b'{%b, "tools": [%b{}]}' % (ask, tool * 130_000)
    message = b'{"role":"user","content":""},'
    yield "280,000 messages", CHAT, b'{"model": "echo", "messages": [%b{}]}' % (message * 280_000)
    labels = b",".join(b'"%d":"1"' % number for number in range(550_000))
    yield "550,000 labels", CHAT, b'{%b, "metadata": {%b}}' % (ask, labels)
    schema = b",".join(b'"%x":0' % number for number in range(780_000))
    function = b'{"function": {"name": "f", "parameters": {%b}}}' % schema
    yield "a schema of 780,000 fields", YANDEX, b'{"modelUri": "echo", "tools": [%b]}' % function


def messages() -> Iterator[tuple[str, bytes]]:
    """What is in each, and the message for CreateCompletion."""
    messages_ = _key(v1.CompletionRequest.DESCRIPTOR, "messages")
    parts = _key(v1.Message.DESCRIPTOR, "parts")
    yield "4,000,000 messages", (messages_ + b"\0") * (SIZE // 2)
    inner = (parts + b"\0") * (SIZE // 2)
    yield "4,000,000 parts", messages_ + _varint(len(inner)) + inner
    request = v1.CompletionRequest(model="echo")
    for _ in range(1000):
        message = request.messages.add(role=v1.ROLE_USER)
        for _ in range(18):
            message.parts.add(text="x", extensions={str(number): "1" for number in range(50)})
    yield "900,000 extensions", request.SerializeToString()


def crowded_metadata() -> bytes:
    """A call of Health.Check with very many fields, on a connection that acknowledges no settings."""
    names = (b":method", b":scheme", b":path", b":authority", b"te", b"content-type")
    values = (b"POST", b"http", b"/grpc.health.v1.Health/Check", b"here", b"trailers", b"application/grpc")
    block = b"".join(b"\0%c%b%c%b" % (len(n), n, len(v), v) for n, v in zip(names, values, strict=True))
    block += b"\0\x01a\0" * FIELDS
    cut = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    heads = [_frame(HEADERS if not number else CONTINUATION, 0, piece) for number, piece in enumerate(cut[:-1])]
    end = _frame(CONTINUATION, 4, cut[-1]) + _frame(DATA, 1, b"\0" * 5)
    return PREFACE + _frame(SETTINGS, 0, b"", 0) + b"".join(heads) + end


def _frame(kind: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _key(message: Descriptor, field: str) -> bytes:
    return _varint(message.fields_by_name[field].number << 3 | 2)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])

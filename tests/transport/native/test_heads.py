"""Heads of requests and fields of responses."""

from __future__ import annotations

import grpc
import pytest
from dragoman_service.transport.native.metadata import MetadataError, encoded, status_fields
from dragoman_service.transport.native.requests import Heads, RefusedError, parse_timeout, read_head

BASE = {b":method": b"POST", b":path": b"/a.A/B", b":scheme": b"http", b"content-type": b"application/grpc"}


def head(**more: bytes):
    fields = BASE | {name.replace("_", "-").encode().replace(b"--", b":"): value for name, value in more.items()}
    return read_head(list(fields.items()))


def test_metadata_is_what_is_not_reserved():
    read = head(te=b"trailers", grpc_timeout=b"5S", user_agent=b"x", grpc_encoding=b"gzip", x_bin=b"AAE,/w==")

    assert read.metadata == (("user-agent", "x"), ("x-bin", b"\0\1"), ("x-bin", b"\xff"))
    assert (read.path, read.timeout, read.encoding) == ("/a.A/B", 5.0, "gzip")


def test_any_bytes_of_a_path_and_a_value_are_read():
    read = head(__path=b"/a/\xff", x=b"\xff\xfe", y="é".encode())

    assert read.path == "/a/ÿ"
    assert read.metadata == (("x", "ÿþ"), ("y", "é"))


def test_heads_that_differ_in_their_deadline_alone_are_read_anew_where_they_differ():
    heads = Heads()
    more = [(b"grpc-timeout", b"1S"), (b"grpc-timeout", b"2S"), (b"x", b"y"), (b"x", b"z"), (b"grpc-timeout", b"3S")]
    read = [heads.read([*BASE.items(), field]) for field in (*more, more[0])]

    assert [head.timeout for head in read] == [1.0, 2.0, None, None, 3.0, 1.0]
    assert [head.metadata for head in read] == [(), (), (("x", "y"),), (("x", "z"),), (), ()]
    assert heads.read(list(BASE.items())) == read_head(list(BASE.items()))
    assert heads.read([*BASE.items(), (b"x", b"y")]).metadata == (("x", "y"),)


@pytest.mark.parametrize("kind", [b"application/grpc+proto", b"application/grpc;x=y", b"application/grpc"])
def test_kinds_of_content_that_are_grpc(kind):
    assert head(content_type=kind).path == "/a.A/B"


@pytest.mark.parametrize(
    ("fields", "http", "code"),
    [
        ({"content_type": b"application/json"}, 415, grpc.StatusCode.UNKNOWN),
        ({"content_type": b"application/grpc-web"}, 415, grpc.StatusCode.UNKNOWN),
        ({"__method": b"GET"}, 405, grpc.StatusCode.UNKNOWN),
        ({"grpc_encoding": b"br"}, 200, grpc.StatusCode.UNIMPLEMENTED),
        ({"grpc_timeout": b"-1S"}, 200, grpc.StatusCode.INTERNAL),
        ({"grpc_timeout": b"1"}, 200, grpc.StatusCode.INTERNAL),
        ({"grpc_timeout": b""}, 200, grpc.StatusCode.INTERNAL),
        ({"x_bin": b"?"}, 200, grpc.StatusCode.INTERNAL),
    ],
)
def test_what_is_no_call(fields, http, code):
    with pytest.raises(RefusedError) as caught:
        head(**fields)

    assert (caught.value.http, caught.value.code) == (http, code)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1H", 3600.0), (b"2M", 120.0), (b"3S", 3.0), (b"250m", 0.25), (b"5u", 5e-6), (b"7n", 7e-9), (b"0n", 0.0)],
)
def test_every_unit_of_a_timeout(value, seconds):
    assert parse_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [b"99999999H", b"99999999999999999999S"])
def test_a_deadline_that_is_ten_years_away_is_none(value):
    assert parse_timeout(value) is None


def test_a_message_of_a_status_is_percent_encoded():
    assert dict(status_fields(5, "né\n100 %~"))[b"grpc-message"] == b"n%C3%A9%0A100 %25~"
    assert status_fields(5, "") == [(b"grpc-status", b"5")]


def test_metadata_that_may_be_sent():
    sent = encoded([("a", "1"), ("b-bin", b"\0\xff\1"), ("grpc-status-details-bin", b"x")])

    assert sent == [(b"a", b"1"), (b"b-bin", b"AP8B"), (b"grpc-status-details-bin", b"eA")]


@pytest.mark.parametrize(
    "field", [("A", "1"), ("", "1"), (":path", "1"), ("grpc-status", "0"), ("a", "é"), ("a", "\n")]
)
def test_metadata_that_may_not_be_sent(field):
    with pytest.raises(MetadataError):
        encoded([field])

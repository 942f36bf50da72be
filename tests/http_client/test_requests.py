"""The bytes of a request: its target, its host, and headers that cannot be smuggled."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import pytest
from dragoman_service.providers.upstream.http1.requests import Requests, host_of, port_of, target_of


def head_of(url: str, path: str = "/models", headers: dict[str, str] | None = None, **more: bool) -> list[str]:
    lines = Requests(urlsplit(url), headers or {}, **more).head("GET", path, None).decode().split("\r\n")

    assert lines[-2:] == ["", ""]
    return lines[:-2]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://one.example", "one.example"),
        ("http://one.example:80/v1", "one.example"),
        ("https://one.example:443", "one.example"),
        ("https://one.example:80", "one.example:80"),
        ("http://ONE.example:8000", "one.example:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://user:word@one.example", "one.example"),
        ("http://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_named_in_ascii_with_a_port_that_is_not_the_schemes_own(url: str, host: str) -> None:
    assert host_of(urlsplit(url)) == host
    assert f"host: {host}" in head_of(url)


@pytest.mark.parametrize(("url", "port"), [("http://a", 80), ("https://a", 443), ("https://a:1", 1)])
def test_the_port_is_the_schemes_own_if_the_url_names_none(url: str, port: int) -> None:
    assert port_of(urlsplit(url)) == port


@pytest.mark.parametrize("url", ["http://", "http:///v1", "http://:80"])
def test_a_url_without_a_host_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        Requests(urlsplit(url), {})


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/chat/completions", "/chat/completions"),
        ("/a%2Fb?x=1&y=%20", "/a%2Fb?x=1&y=%20"),
        ("/models/a b", "/models/a%20b"),
        ("/é", "/%C3%A9"),
        ("/a\r\nx: y", "/a%0D%0Ax:%20y"),
        ("/a#b", "/a"),
    ],
)
def test_a_path_is_written_as_a_request_line_can_hold_it(path: str, target: str) -> None:
    assert target_of(path) == target
    assert head_of("http://one.example/v1/", path)[0] == f"GET /v1{target} HTTP/1.1"


def test_a_request_through_a_proxy_names_the_whole_address() -> None:
    first = head_of("http://one.example:8000/v1", "/models", absolute=True)[0]

    assert first == "GET http://one.example:8000/v1/models HTTP/1.1"


def test_headers_of_a_request_replace_those_of_all() -> None:
    requests = Requests(urlsplit("http://one.example"), {"Authorization": "all", "x-a": "1"})
    head = requests.head("POST", "/", 3, {"authorization": "one", "x-b": "2"}).decode()

    assert head.count("authorization") == 1
    assert {"authorization: one", "x-a: 1", "x-b: 2", "content-length: 3"} <= set(head.split("\r\n"))


def test_each_request_has_its_own_headers() -> None:
    requests, given = Requests(urlsplit("http://a"), {"x-all": "0"}), {"x-one": "1"}
    heads = [requests.head("POST", "/", 0, given) for _ in range(2)]
    given["x-one"] = "2"
    heads += [requests.head("POST", "/", 0, each) for each in (given, {"X-ALL": "3"}, None, {}, {"x-all": "4"})]

    found = [head.decode().partition("x-")[2].split("\r\n") for head in heads]

    assert [lines[: lines.index("content-length: 0")] for lines in found] == [
        ["all: 0", "x-one: 1"],
        ["all: 0", "x-one: 1"],
        ["all: 0", "x-one: 2"],
        ["all: 3"],
        ["all: 0"],
        ["all: 0"],
        ["all: 4"],
    ]


def test_a_user_and_a_password_in_the_address_are_an_authorization_unless_a_header_is() -> None:
    encoded = base64.b64encode(b"us er:w:rd").decode()

    assert f"authorization: Basic {encoded}" in head_of("http://us%20er:w%3Ard@one.example")
    assert "authorization: Bearer k" in head_of("http://a:b@one.example", headers={"Authorization": "Bearer k"})


@pytest.mark.parametrize("value", ["a\r\nx-b: c", "a\nb", "a\0b", "a\rb"])
@pytest.mark.parametrize("once", [False, True], ids=["of all", "of one"])
def test_a_header_with_a_line_break_is_rejected_without_its_value(value: str, once: bool) -> None:
    requests = Requests(urlsplit("http://one.example"), {})
    with pytest.raises(ValueError, match="x-a") as rejected:
        if once:
            requests.head("GET", "/", None, {"x-a": value})
        else:
            Requests(urlsplit("http://one.example"), {"x-a": value})

    assert value not in str(rejected.value)


@pytest.mark.parametrize("name", ["x a", "x:a", "", "x\r\n"])
def test_a_name_that_no_header_may_have_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Requests(urlsplit("http://one.example"), {name: "a"})

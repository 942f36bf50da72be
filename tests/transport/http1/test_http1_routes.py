"""Which handler a request gets."""

from __future__ import annotations

from typing import cast

import pytest
from dragoman_service.transport.http.http1.incoming import Incoming
from dragoman_service.transport.http.http1.parser import Head
from dragoman_service.transport.http.http1.request import Line, Request
from dragoman_service.transport.http.http1.response import Response, text_response
from dragoman_service.transport.http.routes import Handler, Routes


def answering(name: str) -> Handler:
    async def handle(request: Request) -> Response:
        return text_response(name)

    return handle


def asked(verb: str, target: str, **headers: str) -> Request:
    nowhere = cast("Line", None)
    return Request(Head(verb, target, headers, True, True, 0), nowhere, Incoming(nowhere, expects=False))


@pytest.fixture
def routes() -> Routes:
    made = Routes()
    made.add("GET", "/models", answering("special list"), ("version",), tolerant=True)
    made.add("GET", "/models", answering("list"), tolerant=True)
    made.add("GET", "/models/{id:.+}", answering("get"), tolerant=True)
    made.add("POST", "/models/{id}:run", answering("run"), tolerant=True)
    made.add("POST", "/models/{id}:{verb:[a-z]{4}}", answering("verb"))
    made.add("POST", "/models/fixed:run", answering("fixed"))
    made.get("/page/", answering("page"))
    return made


async def found(routes: Routes, request: Request) -> tuple[str | None, dict[str, str], set[str]]:
    handler, allowed = routes.find(request)
    response = None if handler is None else await handler(request)
    return None if response is None else response.body.decode(), request.found, allowed


@pytest.mark.parametrize(
    ("verb", "target", "name", "parameters"),
    [
        ("GET", "/models", "list", {}),
        ("GET", "/models?a=b", "list", {}),
        ("GET", "//models/", "list", {}),
        ("GET", "/models/a/b", "get", {"id": "a/b"}),
        ("GET", "/models/a%2Fb%25", "get", {"id": "a/b%"}),
        ("GET", "/models//a", "get", {"id": "/a"}),
        ("POST", "/models/a:run", "run", {"id": "a"}),
        ("POST", "/models///a:run//", "run", {"id": "a"}),
        ("POST", "/models/a:stop", "verb", {"id": "a", "verb": "stop"}),
        ("POST", "/models/fixed:run", "fixed", {}),
        ("HEAD", "/page/", "page", {}),
    ],
)
async def test_the_most_fixed_path_counts_then_the_first_route(routes, verb, target, name, parameters) -> None:
    assert (await found(routes, asked(verb, target)))[:2] == (name, parameters)


async def test_a_route_that_looks_at_headers_is_for_requests_that_have_one(routes) -> None:
    assert (await found(routes, asked("GET", "/models", version="1")))[0] == "special list"


@pytest.mark.parametrize(
    ("verb", "target", "allowed"),
    [
        ("POST", "/models", {"GET"}),
        ("PUT", "/models/a:run", {"GET", "POST"}),
        ("GET", "/none", set()),
        ("GET", "/page", set()),
        ("GET", "//page/", set()),
        ("POST", "/models/a:ru", {"GET"}),
        ("GET", "*", set()),
    ],
)
async def test_what_nobody_serves_has_the_methods_of_its_path(routes, verb: str, target: str, allowed) -> None:
    assert await found(routes, asked(verb, target)) == (None, {}, allowed)

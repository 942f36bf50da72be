"""What the target of a request says."""

from __future__ import annotations

import pytest
from dragoman_service.transport.http.http1.target import path_of, plain, query_of


@pytest.mark.parametrize(
    ("target", "route", "path"),
    [
        ("/a/b", "/a/b", "/a/b"),
        ("/a?b=/c", "/a", "/a"),
        ("/%61%2Fb%25", "/a%2Fb%25", "/a/b%"),
        ("/%2f%2F%25", "/%2f%2F%25", "///%"),
        ("/%C3%A9", "/é", "/é"),
        ("/%252F", "/%252F", "/%2F"),
        ("/%FF%41%C3", "/%FFA%C3", "/%FFA%C3"),
        ("/%ed%a0%80", "/%ED%A0%80", "/%ED%A0%80"),
        ("/%zz%4", "/%zz%4", "/%zz%4"),
        ("/a/../b//c/", "/a/../b//c/", "/a/../b//c/"),
        ("http://host:1/a?b", "/a", "/a"),
        ("http://host", "/", "/"),
        ("http://host?a=b", "/", "/"),
        ("*", "*", "*"),
        ("host:443", "/", "/"),
    ],
)
def test_a_path_is_decoded_but_for_slashes_and_percent_signs(target: str, route: str, path: str) -> None:
    assert path_of(target) == route
    assert plain(route) == path


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/a", {}),
        ("/a?", {}),
        ("/a?b=c&d=", {"b": "c", "d": ""}),
        ("/a?b&b=c", {"b": ""}),
        ("/a?b=1&b=2", {"b": "1"}),
        ("/a?b=%26+%3D&%24alt=x", {"b": "& =", "$alt": "x"}),
        ("/a?b=c?d=e", {"b": "c?d=e"}),
        ("/a?b=%ff", {"b": "\ufffd"}),
        ("http://host/a?b=c", {"b": "c"}),
    ],
)
def test_of_a_parameter_the_first_value_counts(target: str, query: dict[str, str]) -> None:
    assert query_of(target) == query

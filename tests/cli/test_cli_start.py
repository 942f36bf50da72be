"""The command before it does anything: help, version, imports, and usage errors."""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib.metadata import version

import pytest
from dragoman_command import invoke, run

HEAVY = ("grpc", "aiohttp", "sqlalchemy", "dragoman_service.app", "dragoman_service.process.single")


def test_help_names_every_command() -> None:
    shown = run("--help")

    assert shown.returncode == 0
    for command in (
        "serve",
        "demo",
        "complete",
        "models",
        "operations",
        "limits",
        "usage",
        "plugins",
        "keys",
        "config",
        "local",
    ):
        assert command in shown.stdout


def test_help_is_fast() -> None:
    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = seconds()
    run("--help")

    assert seconds() - before < 1.0


def test_version_is_that_of_the_distribution() -> None:
    assert invoke("--version").stdout == f"dragoman {version('dragoman-service')}\n"


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported."""
    run = "import dragoman_service.__main__ as command; command.main()"
    code = f"import sys\ntry:\n    {run}\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    shown = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return set(shown.stderr.split())


def test_help_imports_neither_client_nor_server() -> None:
    modules = imported("complete", "--help")

    assert "dragoman_service.cli.complete" in modules
    assert not modules.intersection((*HEAVY, "dragoman"))


def test_a_client_command_does_not_import_the_server() -> None:
    modules = imported("models", "--target", "127.0.0.1:1")

    assert "dragoman" in modules
    assert not modules.intersection(set(HEAVY) - {"grpc"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("complete", "hi", "--temperature", "warm"),
        ("operations", "attach", "06gzvkm058000gbgax36g0bpc9", "--after", "-1"),
        ("complete", "hi", "--timeout", "soon"),
        ("complete", "hi", "--schema", "{broken"),
        ("complete", "hi", "--schema", "no-such-file.json"),
        ("complete", "hi", "--api-key", "two\nlines"),
        ("complete", "hi", "--max-output-tokens", "99999999999"),
        ("complete", "\udcff"),
        ("complete", "hi", "--ca", "no-such-file.pem"),
        ("operations", "get", "\udcff"),
        ("operations", "list", "--limit", "0"),
        ("no-such-command",),
    ],
)
def test_a_usage_error_has_exit_code_2(arguments: tuple[str, ...]) -> None:
    ended = invoke(*arguments)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "Error" in ended.stderr

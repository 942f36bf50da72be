"""`dragoman doctor`: looks for what would keep the service from starting or from working."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.settings import Config
from dragoman_service.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from dragoman_service.cli.upkeep.checks.finding import Finding
    from dragoman_service.plugins.plugins import Prepared

Replicas = Annotated[
    int, typer.Option("--replicas", min=1, metavar="N", help="Services like this one that will share the store.")
]
Json = Annotated[bool, typer.Option("--json", help="Write a JSON array of findings.")]


def doctor(config: Config = None, replicas: Replicas = 1, as_json: Json = False) -> None:
    """Check the settings, ports, files, the store and the way to each provider, and say what to do.

    Nothing is changed and no prompt is sent. Exit code 1: something would keep the service from starting or working.
    """
    from dragoman_service.cli.upkeep.checks.finding import Status

    findings = asyncio.run(_findings(config, replicas))
    _write_json(findings) if as_json else _write(findings)
    if any(one.status is Status.FAILED for one in findings):
        raise typer.Exit(ExitCode.FAILED)


async def _findings(config: Path | None, replicas: int) -> list[Finding]:
    from dragoman_service.cli.upkeep.checks.machine import (
        check_certificate,
        check_data_dir,
        check_descriptors,
        check_transport,
    )
    from dragoman_service.cli.upkeep.checks.ports import check_ports
    from dragoman_service.cli.upkeep.checks.settings import read_settings
    from dragoman_service.cli.upkeep.checks.store import check_store
    from dragoman_service.cli.upkeep.checks.upstreams import check_upstreams, upstreams_of

    settings, prepared, findings = read_settings(config)
    findings += check_descriptors()
    if settings is None:
        return findings
    findings += [*check_transport(settings.server), *check_ports(settings.server), *check_data_dir(settings.server)]
    findings += check_certificate(settings.server.tls)
    findings += [one async for one in check_store(settings, replicas)]
    if prepared is not None:
        findings += await check_upstreams(upstreams_of(_tables(prepared)))
    return findings


def _tables(prepared: Prepared) -> list[tuple[str, object]]:
    """The settings of each plugin with the path of its table."""
    providers = [(f"providers.{one.name}", one.settings) for one in prepared.providers]
    return providers + [(f"filters.{one.name}", one.settings) for one in prepared.filters]


def _write_json(findings: list[Finding]) -> None:
    import json
    from dataclasses import asdict

    from dragoman_service.cli.terminal.output import write_line

    write_line(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))


def _write(findings: list[Finding]) -> None:
    from dragoman_service.cli.terminal.output import write_line, write_table

    write_table(("check", "status", "found"), [(one.check, one.status, one.found) for one in findings])
    if remedies := [one for one in findings if one.remedy]:
        write_line("\nWhat to do:")
    for one in remedies:
        write_line(f"- {one.check}: {one.remedy}")

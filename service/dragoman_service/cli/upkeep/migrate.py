"""`dragoman migrate`: brings the store's tables up to date."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from dragoman_service.cli.options.settings import Config, load_settings
from dragoman_service.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from dragoman_service.operations.sql.migrate import Migration
    from dragoman_service.settings.settings import Settings


def migrate(config: Config = None) -> None:
    """Create or upgrade the tables of the store in `operations.url`. Several at once wait for each other.

    Services of the version before may go on meanwhile. Exit code 1: the store cannot be used; it is as it was before.
    """
    from dragoman_service.cli.terminal.output import error, write_line
    from dragoman_service.operations.model.errors import OperationStoreError

    settings = load_settings(config)
    try:
        write_line(_told(asyncio.run(_migrated(settings))))
    except OperationStoreError as failure:
        error(f"operations.url: {failure}")
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _migrated(settings: Settings) -> Migration | None:
    from dragoman_service.operations.store.interface import StoreContext
    from dragoman_service.operations.store.opening import open_store

    operations, plugins = settings.operations, settings.plugins
    context = StoreContext(
        settings.server.data_dir,
        lambda changed, work, stopped: None,
        direct_url=operations.direct_url,
        listen="poll",  # nobody here waits for changes
    )
    async with open_store(operations.url, context, plugins.allow, plugins.open_timeout) as store:
        return getattr(store, "migration", None)


def _told(done: Migration | None) -> str:
    if done is None:
        return "The store was opened. It keeps no tables that this command knows of."
    if not done.steps:
        return f"The tables are of step {done.after}, the newest: nothing was done."
    steps = ", ".join(done.steps)
    if not done.before:
        return f"The tables were created: steps {steps}."
    return f"The tables were upgraded from step {done.before} to {done.after}: steps {steps}."

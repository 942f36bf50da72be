"""Creates the tables, or upgrades them, when a server starts, or says which command does."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from dragoman_service.operations.model.errors import OperationStoreError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = "dragoman_service.operations.sql:migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """The step of the tables before (empty: there were none) and after, and the steps in between that were run."""

    before: str
    after: str
    steps: tuple[str, ...]


def load_alembic() -> None:
    """Imports Alembic, which takes long. Call it before the transaction, so that others do not wait for the import."""
    importlib.import_module("alembic.command")


def migrate(
    connection: Connection, step: str = "head", *, migrations: str = MIGRATIONS, allowed: bool = True
) -> Migration:
    """Runs the missing steps up to `step` in the transaction of `connection`. Raises OperationStoreError.

    `migrations` is where Alembic finds the steps. If not `allowed`, missing steps are an error.
    """
    # Imported here because only the start of a server needs it.
    from alembic import command
    from alembic.migration import MigrationContext
    from alembic.util import CommandError

    config = _config(migrations)
    config.attributes["connection"] = connection
    try:
        planned = _plan(set(MigrationContext.configure(connection).get_current_heads()), config, step)
        if planned.steps and not allowed:
            raise OperationStoreError(_outdated(planned))
        command.upgrade(config, step)
    except CommandError as error:
        raise OperationStoreError(f"its tables cannot be upgraded: {error}") from error
    return planned


def plan(found: set[str]) -> Migration:
    """The steps that `migrate` would run on tables of the steps `found`, which is empty if there are none.

    Raises OperationStoreError if the tables are those of a newer version.
    """
    return _plan(found, _config(MIGRATIONS), "head")


def _plan(found: set[str], config: Config, step: str) -> Migration:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if newer := found - known:
        steps = ", ".join(sorted(newer))
        raise OperationStoreError(f"its tables were written by a newer version of the service (step {steps})")
    before = max(found, default="")
    missing = [script.revision for script in scripts.iterate_revisions(step, before or "base")]
    return Migration(before, missing[0] if missing else before, tuple(reversed(missing)))


def _config(migrations: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", migrations)
    config.set_main_option("path_separator", "os")
    return config


def _outdated(planned: Migration) -> str:
    found = f"its tables are of step {planned.before}" if planned.before else "it has no tables"
    return f"{found}, and this version needs step {planned.after}: run `dragoman migrate`"

"""Creates the tables, or upgrades them, when a server starts."""

from __future__ import annotations

import importlib

from sqlalchemy import Connection

from dragoman_service.operations.model.errors import OperationStoreError

MIGRATIONS = "dragoman_service.operations.sql:migrations"


def load_alembic() -> None:
    """Imports Alembic, which takes long. Call it before the transaction, so that others do not wait for the import."""
    importlib.import_module("alembic.command")


def migrate(connection: Connection, step: str = "head", *, migrations: str = MIGRATIONS) -> None:
    """Runs the missing steps up to `step` in the transaction of `connection`. Raises OperationStoreError.

    `migrations` is where Alembic finds the steps.
    """
    # Imported here because only the start of a server needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", migrations)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        newer = set(MigrationContext.configure(connection).get_current_heads()) - known
        if newer:
            steps = ", ".join(sorted(newer))
            raise OperationStoreError(f"its tables were written by a newer version of the service (step {steps})")
        command.upgrade(config, step)
    except CommandError as error:
        raise OperationStoreError(f"its tables cannot be upgraded: {error}") from error

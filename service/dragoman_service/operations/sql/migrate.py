"""Brings the tables up to date when a server starts."""

from __future__ import annotations

from sqlalchemy import Connection

from dragoman_service.operations.model.errors import OperationStoreError


def migrate(connection: Connection, step: str = "head") -> None:
    """Runs the steps that are missing up to `step`, in the transaction of `connection`. Raises OperationStoreError."""
    # Alembic is of use only here, and takes a while to import.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "dragoman_service.operations.sql:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, step)
    except CommandError as error:
        raise OperationStoreError(f"it was written by a newer version of the service: {error}") from error

"""Runs the steps in the connection, and the transaction, that the caller opened."""

from __future__ import annotations

from alembic import context

from dragoman_service.operations.sql.schema import metadata_with_indexes

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata_with_indexes())
context.run_migrations()

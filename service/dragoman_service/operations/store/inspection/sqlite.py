"""Looks at an SQLite file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from dragoman_service.operations.model.errors import OperationStoreError

LOCKED_SECONDS = 2.0  # wait for a file that another process has locked


async def look_at_file(url: str, data_dir: Path) -> set[str]:
    """The steps of the tables in the file of `url`; empty if there is no file yet. Raises OperationStoreError."""
    return await asyncio.to_thread(_steps, data_dir / (make_url(url).database or ""))


def _steps(path: Path) -> set[str]:
    try:
        if not path.exists() or not path.stat().st_size:
            return set()
        if not os.access(path, os.R_OK | os.W_OK):
            raise OperationStoreError(f"{path} cannot be written by this user")
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", LOCKED_SECONDS, uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                return set()
            return {str(step) for (step,) in connection.execute("SELECT version_num FROM alembic_version")}
    except OSError as error:
        raise OperationStoreError(f"{path} cannot be read: {error.strerror}") from error
    except sqlite3.Error as error:
        raise OperationStoreError(f"{path} cannot be read: {error}") from error

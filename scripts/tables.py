"""Writes what the newest step of the tables looks like in SQLite, because new files get it at once: `tables.py`.

Run it after adding a step to operations/sql/migrations/versions.
"""

from __future__ import annotations

import tempfile

from dragoman_service.operations.sql.migrate import MIGRATIONS, migrate
from sqlalchemy import Connection, create_engine

FOLDER = MIGRATIONS / "sqlite"
SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/tables.db")
        with engine.begin() as connection:
            step, script = written(connection)
        engine.dispose()
    for old in FOLDER.glob("*.sql"):
        old.unlink()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{step}.sql").write_text(script, "utf-8")
    print(FOLDER / f"{step}.sql")


def written(connection: Connection) -> tuple[str, str]:
    """The newest step, and the script that makes its tables in an empty file."""
    step = migrate(connection, at_once=False).after
    statements = [str(row.sql) for row in connection.exec_driver_sql(SCHEMA)]
    lines = "".join(f"{one};\n" for one in statements).splitlines()
    return step, "".join(f"{line.rstrip()}\n" for line in lines)


if __name__ == "__main__":
    main()

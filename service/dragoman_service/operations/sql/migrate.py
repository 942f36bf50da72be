"""Creates the tables, or upgrades them, when a server starts, or says which command does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

from sqlalchemy import Connection, inspect, text

from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.sql.schema import secrets

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "head"  # the newest step
_STEPS = text("SELECT version_num FROM alembic_version")
_STAMP = text("INSERT INTO alembic_version (version_num) VALUES (:step)")


@dataclass(frozen=True, slots=True)
class Migration:
    """The step of the tables before (empty: there were none) and after, and the steps in between that were run."""

    before: str
    after: str
    steps: tuple[str, ...]


def migrate(
    connection: Connection,
    step: str = HEAD,
    *,
    migrations: Path = MIGRATIONS,
    allowed: bool = True,
    at_once: bool = True,
) -> Migration:
    """Runs the missing steps up to `step` in the transaction of `connection`. Raises OperationStoreError.

    `migrations` is the folder of the steps. If not `allowed`, missing steps are an error. `at_once`: an empty database
    gets the tables of `step` without the steps before it, where the folder says how.
    """
    found = _steps_of(connection)
    planned = plan(found, step, migrations)
    if not planned.steps:
        return planned
    if not allowed:
        raise OperationStoreError(_outdated(planned))
    if at_once and (statements := _statements_for(connection, migrations, planned.after)):
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.execute(_STAMP, {"step": planned.after})
        connection.execute(secrets.insert(), {"name": "page_token", "value": token_bytes(32)})
    else:
        _run_steps(connection, step, migrations)
    return planned


def plan(found: set[str], step: str = HEAD, migrations: Path = MIGRATIONS) -> Migration:
    """The steps that `migrate` would run on tables of the steps `found`, which is empty if there are none.

    Raises OperationStoreError if the tables are those of a newer version.
    """
    known = steps_in(migrations)
    if newer := found - set(known):
        steps = ", ".join(sorted(newer))
        raise OperationStoreError(f"its tables were written by a newer version of the service (step {steps})")
    before = max(found, default="")
    missing = tuple(one for one in known if one > before and (step == HEAD or one <= step))
    return Migration(before, missing[-1] if missing else before, missing)


def steps_in(migrations: Path) -> Sequence[str]:
    """The numbers of all steps, in order. Raises OperationStoreError if there are none."""
    found = sorted(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*.py"))
    if not found:
        raise OperationStoreError(f"its tables cannot be upgraded: no steps were found in {migrations}")
    return found


def _steps_of(connection: Connection) -> set[str]:
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(_STEPS).scalars())


def _statements_for(connection: Connection, migrations: Path, step: str) -> Sequence[str]:
    """The statements that bring an empty database to `step` at once, which takes a tenth of the time of all steps.

    Empty if it is not empty, or if there are none for its kind and this step: then the steps do the same.
    """
    script = migrations / connection.dialect.name / f"{step}.sql"
    if not script.is_file() or inspect(connection).get_table_names():
        return ()
    return script.read_text("utf-8").strip().removesuffix(";").split(";\n")


def _run_steps(connection: Connection, step: str, migrations: Path) -> None:
    # Imported here because only the start of a server on new or outdated tables needs it, and it takes long.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, step)
    except CommandError as error:
        raise OperationStoreError(f"its tables cannot be upgraded: {error}") from error


def _outdated(planned: Migration) -> str:
    found = f"its tables are of step {planned.before}" if planned.before else "it has no tables"
    return f"{found}, and this version needs step {planned.after}: run `dragoman migrate`"

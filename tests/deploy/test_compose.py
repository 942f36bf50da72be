"""The compose file's settings and secrets, without containers."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from dragoman_service.settings.settings import Settings, load

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A copy of the folder, with secrets."""
    folder = tmp_path / "compose"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([folder / "prepare"], check=True)
    return folder


def settings_in(folder: Path) -> Settings:
    """The settings as the service reads them in its container."""
    path = folder / "dragoman.toml"
    path.write_text(path.read_text().replace("/run/secrets/", f"{folder / 'secrets'}/"))
    return load(path)


def test_the_service_and_the_database_have_the_same_password(prepared: Path) -> None:
    password = (prepared / "secrets" / "postgres-password").read_text()

    assert len(password) == 48
    assert settings_in(prepared).operations.url == f"postgresql://dragoman:{password}@postgres:5432/dragoman"


def test_secrets_are_made_once(prepared: Path) -> None:
    before = {path.name: path.read_text() for path in (prepared / "secrets").iterdir()}
    subprocess.run([prepared / "prepare"], check=True)

    assert {path.name: path.read_text() for path in (prepared / "secrets").iterdir()} == before
    assert before.keys() == {"store-url", "postgres-password", "grafana-password"}


def test_only_containers_and_their_owner_can_read_them(prepared: Path) -> None:
    secrets = prepared / "secrets"

    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o644}


def test_the_service_listens_where_the_file_publishes_it(prepared: Path) -> None:
    server = settings_in(prepared).server
    compose = (prepared / "compose.yaml").read_text()

    assert server.grpc.unspecified
    assert f":{server.grpc.port}\n" in compose
    assert f":{server.http.port}\n" in compose
    assert f"dragoman:{server.http.port}" in (prepared / "prometheus.yml").read_text()

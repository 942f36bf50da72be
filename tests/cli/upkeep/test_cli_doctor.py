"""`dragoman doctor`: each check with something that is well and something that is not."""

from __future__ import annotations

import datetime
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from dragoman_command import Service, invoke

Settings = Callable[..., Path]
Found = dict[str, tuple[str, str, str]]


def examined(config: Path, *options: str) -> Found:
    """The status, the finding and the remedy of each check."""
    ended = invoke("doctor", "--json", "--config", str(config), *options)
    found = {one["check"]: (one["status"], one["found"], one["remedy"]) for one in json.loads(ended.stdout)}
    assert ended.returncode == any(status == "failed" for status, _, _ in found.values())
    return found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listens, and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def test_a_sound_machine_is_told_so(settings: Settings) -> None:
    ended = invoke("doctor", "--config", str(settings()))

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0].split() == ["CHECK", "STATUS", "FOUND"]
    assert "no tables yet: the start of the service makes them step 0008" in ended.stdout


def test_nothing_is_created(settings: Settings, tmp_path: Path) -> None:
    examined(settings())

    assert [path.name for path in tmp_path.iterdir()] == ["dragoman.toml"]


def test_every_mistake_in_the_settings_is_a_finding(settings: Settings) -> None:
    config = settings('[providers.upstream]\nplugin = "openai"\nbase_url = "ftp://x"\ncolour = 1')
    ended = invoke("doctor", "--config", str(config))

    assert ended.returncode == 1
    assert "providers.upstream.colour" in ended.stdout
    assert "providers.upstream.base_url" in ended.stdout
    assert "What to do:\n- settings: " in ended.stdout


def test_a_port_is_free_served_or_taken(service: Service, settings: Settings, listener: socket.socket) -> None:
    grpc, http = service.addresses["grpc"], service.addresses["http"]
    taken = f"127.0.0.1:{listener.getsockname()[1]}"
    served = examined(settings(server=f'grpc = "{grpc}"\nhttp = "{http}"'))
    other = examined(settings(server=f'grpc = "{taken}"\nhttp = "127.0.0.1:0"'))

    assert served["port grpc"] == ("ok", f"{grpc} is served already", "")
    assert served["port http"] == ("ok", f"{http} is served already", "")
    assert other["port grpc"][0] == "failed"
    assert "server.grpc" in other["port grpc"][2]
    assert other["port http"][0] == "ok"


def test_a_data_directory_below_a_file_cannot_be_used(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert examined(settings())["data_dir"][0] == "failed"


@pytest.mark.parametrize(
    ("days", "status", "found"), [(365, "ok", "is valid until"), (9, "warning", "in 8 days"), (-1, "failed", "expired")]
)
def test_the_dates_of_the_certificate_are_checked(
    settings: Settings, tmp_path: Path, days: int, status: str, found: str
) -> None:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_after=end)
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    seen = examined(settings('[server.tls]\ncertificate = "certificate.pem"\nkey = "key.pem"'))["certificate"]

    assert seen[0] == status
    assert found in seen[1]


def test_a_key_of_another_certificate_cannot_be_used(settings: Settings, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.issue_cert("localhost").cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    seen = examined(settings('[server.tls]\ncertificate = "certificate.pem"\nkey = "key.pem"'))["certificate"]

    assert seen[0] == "failed"
    assert "MISMATCH" in seen[1]


def test_the_connections_of_all_replicas_are_added_up(database: str, settings: Settings) -> None:
    config = settings(server="workers = 4", operations=f'url = "{database}"')
    few, many = examined(config), examined(config, "--replicas", "20")

    assert few["store connections"][0] == "ok"
    assert few["store connections"][1].startswith("24 connections needed (6 for each worker) and 10 to spare")
    assert many["store connections"][0] == "failed"
    assert "480 connections needed" in many["store connections"][1]
    assert few["clock"][0] == "ok"


def test_old_tables_are_a_failure_only_if_nobody_upgrades_them(database: str, settings: Settings) -> None:
    never = settings(operations=f'url = "{database}"\nmigrate = "never"')
    before = examined(never)["store"]
    invoke("migrate", "--config", str(never))
    after = examined(never)["store"]

    assert before[0] == "failed"
    assert before[2] == "run `dragoman migrate`"
    assert after == ("ok", "is reachable; its tables are of step 0008, the newest", "")


def test_a_store_that_does_not_answer_is_a_failure_and_its_password_is_not_shown(settings: Settings) -> None:
    status, found, _ = examined(settings(operations='url = "postgresql://a:secret@127.0.0.1:1/b"'))["store"]

    assert status == "failed"
    assert "secret" not in found


def test_a_file_that_is_no_database_is_a_failure(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "operations.db").write_text("not a database, but long enough to be one" * 100)

    assert examined(settings())["store"][0] == "failed"


def test_providers_are_connected_to_and_not_asked(settings: Settings, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    table = '[providers.{0}]\nplugin = "openai"\nbase_url = "{1}"\nmodels = ["m"]'
    found = examined(
        settings(
            table.format("near", f"http://127.0.0.1:{port}/v1"),
            table.format("gone", "http://127.0.0.1:1/v1"),
        )
    )
    connection, _ = listener.accept()
    sent = connection.recv(100)
    connection.close()

    assert found["providers.near"] == ("ok", f"127.0.0.1:{port} can be reached", "")
    assert found["providers.gone"][:2] == ("failed", "127.0.0.1:1 cannot be reached: Connection refused")
    assert sent == b""


def test_where_the_environment_names_a_proxy_the_proxy_is_connected_to(
    settings: Settings, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{port}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    table = '[providers.{0}]\nplugin = "openai"\nbase_url = "{1}"\nmodels = ["m"]'
    found = examined(
        settings(
            table.format("near", "https://upstream.invalid/v1"),
            table.format("gone", "http://upstream.invalid/v1"),
        )
    )

    assert found["providers.near"][:2] == (
        "ok",
        f"its proxy 127.0.0.1:{port} can be reached; what lies behind it was not tried",
    )
    assert found["providers.gone"][:2] == (
        "failed",
        "127.0.0.1:1, the proxy that the environment names for it, cannot be reached",
    )


def test_a_proxy_that_cannot_be_used_is_a_failure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:word@127.0.0.1:1080")
    table = '[providers.far]\nplugin = "openai"\nbase_url = "https://upstream.invalid/v1"\nmodels = ["m"]'
    found = examined(settings(table))["providers.far"]

    assert found[0] == "failed"
    assert "HTTPS_PROXY must be the URL of an HTTP proxy" in found[1]
    assert "word" not in found[1]


def test_few_descriptors_are_a_warning(settings: Settings) -> None:
    shell = ["sh", "-c", 'ulimit -n 1000; exec "$@"', "sh"]
    ended = subprocess.run(
        [*shell, sys.executable, "-m", "dragoman_service", "doctor", "--config", str(settings())],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "1000 files may be open: each connection takes one" in ended.stdout
    assert "LimitNOFILE" in ended.stdout

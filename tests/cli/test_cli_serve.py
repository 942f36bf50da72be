"""`dragoman serve` as a process: addresses, settings, keys, TLS, signals."""

from __future__ import annotations

import signal
import tomllib
import urllib.request
from pathlib import Path

import pytest
import trustme
from conftest import ECHO
from dragoman_command import ANYWHERE, invoke, run, serving


def test_the_chosen_addresses_are_announced(echo_file: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "--config", str(echo_file)) as service:
        with urllib.request.urlopen(f"http://{service.addresses['http']}/livez") as answer:
            assert answer.status == 200
        assert service.ask("models").returncode == 0
        assert not service.target.endswith(":0")


def test_sigterm_ends_it_with_exit_code_0(echo_file: Path, tmp_path: Path) -> None:
    environ = {"DRAGOMAN_SERVER__DRAIN_DELAY": "0s"}
    with serving(tmp_path, "--config", str(echo_file), environ=environ) as service:
        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(10) == 0


def test_options_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f'[server]\ngrpc = "127.0.0.1:1"\nhttp = "127.0.0.1:2"\ngrace = "3s"\n{ECHO}')
    environ = {"DRAGOMAN_SERVER__GRPC": "127.0.0.1:3", "DRAGOMAN_SERVER__GRACE": "4s", "DRAGOMAN_CONFIG": str(config)}

    with serving(tmp_path, environ=environ) as service:
        assert service.target not in ("127.0.0.1:1", "127.0.0.1:3")
        assert service.addresses["http"] != "127.0.0.1:2"
    shown = tomllib.loads(invoke("config", "check", **environ).stdout)
    assert shown["server"]["grpc"] == "127.0.0.1:3"
    assert shown["server"]["http"] == "127.0.0.1:2"
    assert shown["server"]["grace"] == 4


def test_every_mistake_is_reported_before_anything_starts(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text('[server]\ngrcp = "x"\ngrace = "soon"\n[operations]\nconcurrency = 0\n')
    ended = run("serve", "--config", str(config), "--data-dir", str(tmp_path))

    assert (ended.returncode, ended.stdout) == (2, "")
    for path in ("server.grcp", "server.grace", "operations.concurrency"):
        assert f"error: {path}: " in ended.stderr
    assert "did you mean 'grpc'?" in ended.stderr


def test_mistakes_in_the_tables_of_plugins_are_reported_too(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f"{ECHO}chunk_size = 0\n")

    for command in (("serve", *ANYWHERE, "--data-dir", str(tmp_path)), ("config", "check")):
        ended = invoke(*command, "--config", str(config))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "error: providers.echo.chunk_size: " in ended.stderr


def test_an_open_address_needs_keys_or_consent(echo_file: Path, tmp_path: Path) -> None:
    arguments = ("--config", str(echo_file), "--grpc-listen", "0.0.0.0:0")
    ended = run("serve", *arguments, "--data-dir", str(tmp_path))

    assert ended.returncode == 2
    assert "--anonymous" in ended.stderr
    with serving(tmp_path, *arguments, "--anonymous") as service:
        assert service.ask("models", "--target", f"127.0.0.1:{service.target.rpartition(':')[2]}").returncode == 0


def test_a_created_key_is_accepted(tmp_path: Path) -> None:
    made = invoke("keys", "create", "team-a", "--models", "nothing/*")
    key, _, block = made.stdout.partition("\n")
    config = tmp_path / "dragoman.toml"
    config.write_text(f"{ECHO}\n{block}")

    assert key.startswith("dgm_")
    assert key not in block
    with serving(tmp_path, "--config", str(config)) as service:
        assert "CREDENTIALS_MISSING" in service.ask("models").stderr
        assert "CREDENTIALS_INVALID" in service.ask("models", "--api-key", "dgm_wrong").stderr
        assert service.ask("models", DRAGOMAN_API_KEY=key).returncode == 0
        refused = service.ask("complete", "hi", "-m", "echo", "--api-key", key)
    assert refused.returncode == 1
    assert "PERMISSION_DENIED MODEL_NOT_ALLOWED" in refused.stderr


def test_a_service_with_tls_is_trusted_through_its_authority(tmp_path: Path) -> None:
    authority, config = trustme.CA(), tmp_path / "dragoman.toml"
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    config.write_text(f'[server.tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n{ECHO}')

    with serving(tmp_path, "--config", str(config)) as service:
        trusted = service.ask("complete", "over TLS", "-m", "echo", "--ca", str(tmp_path / "ca.pem"))
        strange = service.ask("models", "--tls")
    assert trusted.stdout == "over TLS\n"
    assert strange.returncode == 1
    assert "TLS" in strange.stderr


@pytest.mark.parametrize("caller", ["", " ", "two words", "-dash", "x" * 64, "new\nline"])
def test_a_key_is_created_only_for_an_id_that_the_settings_accept(caller: str) -> None:
    ended = invoke("keys", "create", "--", caller)

    assert (ended.returncode, ended.stdout) == (2, "")

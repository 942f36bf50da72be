"""Settings: their sources, precedence, and messages about mistakes."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import SettingsError, load


def mistakes(text: str, tmp_path: Path, environ: dict[str, str] | None = None) -> dict[str, str]:
    path = tmp_path / "dragoman.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    return {mistake.path: mistake.message for mistake in caught.value.mistakes}


def test_the_default_is_the_embedded_model_on_loopback():
    settings = load()

    assert str(settings.server.grpc) == "127.0.0.1:50051"
    assert str(settings.server.http) == "127.0.0.1:8080"
    assert list(settings.providers) == ["local", "echo"]
    assert settings.allows_anonymous


def test_options_override_environment_file_and_defaults_in_this_order(tmp_path):
    path = tmp_path / "dragoman.toml"
    path.write_text('[server]\ngrpc = "127.0.0.1:1"\nhttp = "127.0.0.1:2"\ngrace = "3s"\n')
    environ = {"DRAGOMAN_SERVER__GRPC": "127.0.0.1:10", "DRAGOMAN_SERVER__HTTP": "127.0.0.1:20"}
    settings = load(path, environ, {"server.grpc": "127.0.0.1:100"})

    assert [settings.server.grpc.port, settings.server.http.port] == [100, 20]
    assert settings.server.grace == 3.0
    assert settings.server.drain_delay == 5.0


@pytest.mark.parametrize(
    ("written", "seconds"),
    [('"250ms"', 0.25), ('"20s"', 20), ('"5m"', 300), ('"24h"', 86400), ("7", 7), ('"1.5s"', 1.5)],
)
def test_durations_are_read_with_their_unit(tmp_path, written, seconds):
    path = tmp_path / "dragoman.toml"
    path.write_text(f"[server]\ngrace = {written}\n")

    assert load(path).server.grace == seconds


@pytest.mark.parametrize(("written", "size"), [('"8MiB"', 8 * 1024**2), ('"64kb"', 64_000), ("4096", 4096)])
def test_sizes_are_read_with_their_unit(tmp_path, written, size):
    path = tmp_path / "dragoman.toml"
    path.write_text(f"[server]\nmax_request_size = {written}\n")

    assert load(path).server.max_request_size == size


def test_all_mistakes_are_reported_at_once_each_with_its_path(tmp_path):
    found = mistakes(
        """
        [server]
        grcp = "x"
        grpc = "nowhere"
        grace = "20 parsecs"
        [operations]
        concurrency = 0
        lease = true
        [acces]
        [[access.keys]]
        id = "a b"
        sha256 = "zz"
        [providers.vendor]
        api_key = { env = "NOT_SET" }
        """,
        tmp_path,
        {"DRAGOMAN_SERVER__HTTP": "8080"},
    )

    assert set(found) == {
        "server.grcp",
        "server.grpc",
        "server.http",
        "server.grace",
        "operations.concurrency",
        "operations.lease",
        "acces",
        "access.keys.0.id",
        "access.keys.0.sha256",
        "providers.vendor.api_key",
    }
    assert "did you mean 'grpc'?" in found["server.grcp"]
    assert "did you mean 'access'?" in found["acces"]
    assert "DRAGOMAN_SERVER__HTTP" in found["server.http"]
    assert "environment variable" in found["providers.vendor.api_key"]


def test_an_address_is_one_string_and_a_name_is_shown_only_if_it_is_printable(tmp_path):
    path = tmp_path / "dragoman.toml"
    path.write_text('[server]\ngrpc = {host = "0.0.0.0", port = 1}\n[operations.model_concurrency]\n"\\u001bm" = 0\n')
    with pytest.raises(SettingsError) as caught:
        load(path, {})

    found = {mistake.path: mistake.message for mistake in caught.value.mistakes}
    assert "should be HOST:PORT" in found.pop("server.grpc")
    assert list(found) == ["operations.model_concurrency"]


@pytest.mark.parametrize("text", ["[server\n", "a = \n[b]\n", '[server]\ngrpc = "1"\ngrpc = "2"\n'])
def test_invalid_toml_is_reported_with_its_line(tmp_path, text):
    found = mistakes(text, tmp_path)

    assert "line" in next(iter(found.values()))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_key_ids_are_unique_and_deadlines_in_order(tmp_path):
    key = '[[access.keys]]\nid = "a"\nsha256 = "' + "0" * 64 + '"\n'
    twice = mistakes(key + key, tmp_path)
    order = mistakes('[server]\ndefault_deadline = "2h"\n', tmp_path)

    assert twice[""] == "access.keys.1.id: is the id of access.keys.0 too"
    assert "longest_deadline" in order[""]


def test_secrets_come_from_the_environment_or_a_file_and_are_never_printed(tmp_path):
    (tmp_path / "secret").write_text("canary-in-file\n")
    path = tmp_path / "dragoman.toml"
    path.write_text(
        """
        [providers.a]
        plugin = "openai"
        base_url = "http://127.0.0.1:1/v1"
        models = ["m"]
        api_key = { env = "A_KEY" }
        [providers.b]
        plugin = "openai"
        base_url = "http://127.0.0.1:1/v1"
        models = ["m"]
        api_key = { file = "secret" }
        [providers.c]
        plugin = "openai"
        base_url = "http://127.0.0.1:1/v1"
        models = ["m"]
        api_key = "canary-in-settings"
        """
    )
    settings = load(path, {"A_KEY": "canary-in-environment"})
    warnings: list[str] = []
    prepared = prepare(settings, warnings).providers

    keys = [one.settings.api_key.get_secret_value() for one in prepared]
    assert keys == ["canary-in-environment", "canary-in-file", "canary-in-settings"]
    assert "canary" not in repr(settings) + repr(prepared) + "".join(warnings)
    assert len(warnings) == 1
    assert "api_key" in warnings[0]


def test_mistakes_in_a_providers_table_have_their_path_too(tmp_path):
    path = tmp_path / "dragoman.toml"
    path.write_text('[providers.e]\nplugin = "echo"\ndelya = "1s"\n[providers.x]\nplugin = "nope"\n')
    with pytest.raises(SettingsError) as caught:
        prepare(load(path), [])
    found = {mistake.path: mistake.message for mistake in caught.value.mistakes}

    assert set(found) == {"providers.e.delya", "providers.x.plugin"}
    assert "did you mean 'delay'?" in found["providers.e.delya"]
    assert "installed: " in found["providers.x.plugin"]


@pytest.mark.parametrize(
    ("file", "message"), [("none.pem", "cannot be read"), ("dragoman.toml", "contains no PEM certificates")]
)
@pytest.mark.parametrize(
    "table",
    ['plugin = "openai"\nbase_url = "https://h/v1"', 'plugin = "yandex"\nfolder_id = "f"\nmodels = ["m"]'],
)
def test_unreadable_certificates_are_a_mistake_that_names_the_setting(
    tmp_path: Path, table: str, file: str, message: str
) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text(f'[providers.x]\n{table}\nca_file = "{file}"\n')
    with pytest.raises(SettingsError) as caught:
        prepare(load(path), [])

    assert [mistake.path for mistake in caught.value.mistakes] == ["providers.x.ca_file"]
    assert message in str(caught.value)
    assert file not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "postgresql://me:pw@db:5432/x?sslmode=require", "postgres:///x", "memory:", "acme+x://y"]
)
def test_operations_are_kept_in_a_file_or_on_a_server(url: str) -> None:
    assert load(overrides={"operations.url": url}).operations.url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:canary@db/x", "an installed store: memory:, postgres:, postgresql:, sqlite:"),
        ("postgresql://", "should be the URL of a store"),
        ("sqlite://canary", "should be the URL of a store"),
        ("/canary/x.db", "should be the URL of a store"),
    ],
)
def test_an_unknown_store_is_a_mistake_that_does_not_quote_its_url(url: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        prepare(load(overrides={"operations.url": url}), [])

    assert [mistake.path for mistake in caught.value.mistakes] == ["operations.url"]
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_url_of_the_store_may_be_kept_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text('[operations]\nurl = { env = "STORE_URL" }\nlease = "20s"\n')
    settings = load(path, {"STORE_URL": "postgresql://me:canary@db/x"})
    from_file = load(None, {"DRAGOMAN_OPERATIONS__URL": f'{{ file = "{_written(tmp_path)}" }}'})

    assert settings.operations.url == from_file.operations.url == "postgresql://me:canary@db/x"
    assert settings.operations.lease == 20
    assert "canary" not in repr(settings) + str(settings)


def test_a_missing_url_of_the_store_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text('[operations]\nurl = { env = "STORE_URL" }\n')
    with pytest.raises(SettingsError) as caught:
        load(path, {})

    assert str(caught.value) == "operations.url: the environment variable that `env` names is not set, or empty"


def _written(folder: Path) -> Path:
    file = folder / "url"
    file.write_text("postgresql://me:canary@db/x\n")
    return file


def test_names_of_models_are_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text(
        '[models."gpt-*"]\ntargets = ["echo/echo", "local/org/m"]\n[models.best]\ntargets = ["echo/echo"]\n'
    )

    assert list(load(path).targets.items()) == [("gpt-*", ("echo/echo", "local/org/m")), ("best", ("echo/echo",))]


def test_mistakes_in_names_of_models_have_their_path(tmp_path: Path) -> None:
    found = mistakes(
        '[models."gpt-*"]\ntargets = []\n[models.a]\ntargets = ["echo"]\n[models.b]\n'
        '[models.c]\ntarget = "x"\n[models.""]\n',
        tmp_path,
    )

    assert found["models.gpt-*.targets"] == "should have at least 1 item"
    assert found["models.a.targets.0.model"].startswith("should be PROVIDER/MODEL")
    assert found["models.b.targets"] == "is required"
    assert found["models.c.target"] == "unknown key; did you mean 'targets'?"
    assert found["models"] == "a name in it should have at least 1 character"


def test_a_target_of_a_provider_that_is_not_configured_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text('[providers.echo]\n[models.best]\ntargets = ["echo/echo", "ecco/echo"]\n')
    with pytest.raises(SettingsError) as caught:
        prepare(load(path), [])

    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "models.best.targets.1: there is no such provider; configured: echo"
    ]


def test_a_user_without_a_home_directory_names_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(_: int) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(SettingsError) as caught:
        load()

    assert str(caught.value).startswith("server.data_dir: is required, because this user has no home directory")
    assert load(overrides={"server.data_dir": str(tmp_path)}).server.data_dir == tmp_path
    assert load(overrides={"operations.url": "postgresql:///x"}).operations.url == "postgresql:///x"
    with pytest.raises(SettingsError, match=r"^server\.data_dir: starts with '~'"):
        load(overrides={"server.data_dir": "~/data"})

"""A mistake shows the path of a setting and what is wrong, never a value: that may be a secret in the wrong place."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import SettingsError, load

CANARY = "sk-proj-4f9a0c77b1"
PEM = "-----BEGIN PRIVATE KEY-----\\n" + f"{CANARY}\\n" * 20
VENDOR = '[providers.v]\nplugin = "openai"\nmodels = ["m"]\n'
UPSTREAM = f'{VENDOR}base_url = "http://127.0.0.1:1/v1"\n'


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f'{UPSTREAM}api_key = {{ env = "{CANARY}" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = {{ file = "{CANARY}" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = {{ file = "{CANARY * 40}" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = {{ file = "a\\u0000{CANARY}" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = {{ file = "~{CANARY}/key" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = {{ Env = "{CANARY}" }}', "providers.v.api_key"),
        (f'{UPSTREAM}api_key = "{CANARY}\\n{CANARY}"', "providers.v.api_key"),
        (f'{UPSTREAM}headers = {{ "Bearer {CANARY}" = "x" }}', "providers.v.headers"),
        (f'{UPSTREAM}headers = {{ "{CANARY}" = 5 }}', "providers.v.headers"),
        (f'{UPSTREAM}headers = {{ "{CANARY}" = {{ env = "NONE" }} }}', "providers.v.headers"),
        (f'{UPSTREAM}headers = {{ "{CANARY}" = "a\\nb" }}', "providers.v.headers"),
        (f'{UPSTREAM}headers = {{ X-Key = "{CANARY}\\n" }}', "providers.v.headers"),
        (f'{UPSTREAM}ca_file = "{PEM}"', "providers.v.ca_file"),
        (f'{UPSTREAM}"{CANARY}" = true', "providers.v"),
        (f'{VENDOR}base_url = "http://h/v1?key={CANARY}"', "providers.v.base_url"),
        (f'{VENDOR}base_url = "http://me:{CANARY}@h/v1"', "providers.v.base_url"),
        (f'{VENDOR}base_url = "{CANARY}"', "providers.v.base_url"),
        (f'[providers.v]\nplugin = "{CANARY}"', "providers.v.plugin"),
        (f'[providers.v]\nplugin = "openai"\nvendor = "{CANARY}"', "providers.v.vendor"),
        (f'[providers."Bearer {CANARY}"]', "providers"),
        (f'[filters.f]\nplugin = "{CANARY}"', "filters.f.plugin"),
        (f'[server.tls]\ncertificate = "dragoman.toml"\nkey = "{PEM}"', "server.tls.key"),
        (f'[server.tls]\ncertificate = "{PEM * 9}"\nkey = "dragoman.toml"', "server.tls.certificate"),
        (f'[prices]\nfile = "{CANARY}"', "prices.file"),
        (f'[prices]\nfile = "{PEM * 9}"', "prices.file"),
        (f'[prices]\n"{CANARY}" = 1', "prices"),
        (f'[prices]\n"Bearer {CANARY}/x" = 1', "prices"),
        (f'[prices."v/m"]\ninput = "{CANARY}"', "prices.v/m.input"),
        (f'[prices."v/m"]\ninput = 1\noutput = 1\n"{CANARY}" = 1', "prices.v/m"),
        (f'[server]\n"{CANARY}" = 1', "server"),
        (f'[server]\ngrpc = "{CANARY}"', "server.grpc"),
        (f'[server]\ngrpc = "https://me:{CANARY}@h:443"', "server.grpc"),
        (f'[server]\nhttp = "{CANARY}:443"', ""),
        (f'[server]\ngrace = "{CANARY}"', "server.grace"),
        (f'[server]\nmax_request_size = "{CANARY}"', "server.max_request_size"),
        (f'[server]\nworkers = "{CANARY}"', "server.workers"),
        (f'[server]\ncors_origins = ["{CANARY}"]', "server.cors_origins.0"),
        (f'[log]\nlevel = "{CANARY}"', "log.level"),
        (f'[operations]\nurl = "mysql://me:{CANARY}@h/d?password={CANARY}"', "operations.url"),
        (f'[operations]\nurl = {{ env = "{CANARY}" }}', "operations.url"),
        (f'[operations.model_concurrency]\nm = "{CANARY}"', "operations.model_concurrency.m"),
        (f'[access]\nanonymous = "{CANARY}"', "access.anonymous"),
        (f'[[access.keys]]\nid = "a"\nsha256 = "{CANARY}"', "access.keys.0.sha256"),
        (f'[[access.keys]]\nid = "{CANARY} {CANARY}"\nsha256 = "{"0" * 64}"', "access.keys.0.id"),
        (f'[[access.keys]]\nid = "{CANARY}"\nsha256 = "{"0" * 64}"\n' * 2, ""),
        (f'[models.m]\ntargets = ["{CANARY}"]', "models.m.targets.0.model"),
        (f'[models.m]\ntargets = ["{CANARY}/x"]', "models.m.targets.0"),
        (f'"{CANARY}" = 1', ""),
        (f'["{CANARY}"]\n["{CANARY}"]', "FILE"),
        (f'a = {{ "{CANARY}" = 1, "{CANARY}" = 2 }}', "FILE"),
        (f"a = {CANARY}", "FILE"),
    ],
)
def test_a_mistake_has_the_path_and_not_the_value(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        prepare(load(file, {}), [])

    expected = str(file) if path == "FILE" else path
    assert caught.value.mistakes[0].path == expected
    assert CANARY not in str(caught.value)
    assert "4f9a0c77b1" not in str(caught.value)


def test_a_mistake_in_a_variable_names_the_variable_only_if_its_path_is_known() -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {"DRAGOMAN_SERVER__GRACE": CANARY, "DRAGOMAN_SERVER__SK_4F9A0C77B1": "1"})

    assert sorted(mistake.path for mistake in caught.value.mistakes) == ["server", "server.grace"]
    assert "(from DRAGOMAN_SERVER__GRACE)" in str(caught.value)
    assert "4f9a0c77b1" not in str(caught.value).lower()

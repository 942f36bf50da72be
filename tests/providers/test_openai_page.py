"""docs/providers.md agrees with the settings and with the vendors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import trustme
from dragoman_service.dialects.openai.client.quirks import OPENAI, Quirks
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.openai.vendors import VENDORS

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
SETTINGS, _, REST = PAGE.partition("## Vendors")
KEYS = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", SETTINGS, re.MULTILINE)
ROWS = re.findall(r"^\| `([\w-]+)` \| `(\S+)` \| (.*?)\|(.*?)\|$", REST, re.MULTILINE)


def leaves(quirks: Quirks) -> set[str]:
    """The last names of the supported fields, without the keys of the vendor's own."""
    named = (field for field in quirks.supported_fields if not field.startswith(("extensions", "messages.reasoning")))
    return {field.rpartition(".")[2] for field in named}


def ticked(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def vendors_where(said: str) -> set[str]:
    """The vendors named in the sentence or list item with these words."""
    sentence = next(line for line in re.split(r"\n- |\n\n|(?<=\.) ", REST) if said in line)
    return set(re.findall(r"`([\w-]+)`", sentence)) & set(VENDORS)


def test_every_key_is_listed_with_its_default() -> None:
    written = "\n".join(f"{name} = {default}" for name, default in KEYS if default)
    listed = OpenAISettings.model_validate({"vendor": "openai", **tomllib.loads(written)})

    assert [name for name, _ in KEYS] == [*OpenAISettings.model_fields]
    assert listed == OpenAISettings.model_validate({"vendor": "openai"})
    assert len(tomllib.loads(written)) == 5


def test_the_shown_tables_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trustme.CA().cert_pem.write_to_path("ca.pem")
    tables = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])["providers"]
    tables["scaleway"]["api_key"] = "resolved by the service"
    plugins = {table.pop("plugin") for table in tables.values()}
    shown = {name: OpenAISettings.model_validate(table) for name, table in tables.items()}

    assert plugins == {"openai"}
    assert shown["scaleway"].address == VENDORS["scaleway"].base_url
    assert shown["own"].models == ("some-model",)


def test_every_vendor_is_listed_with_its_address_and_its_fields() -> None:
    for name, address, more, less in ROWS:
        quirks = VENDORS[name].quirks

        assert address == VENDORS[name].base_url
        assert ticked(less) == leaves(OPENAI) - leaves(quirks), name
        assert ticked(more) == leaves(quirks) - leaves(OPENAI) - {"reasoning"}, name
        assert ("reasoning of earlier answers" in more) == ("reasoning" in quirks.parts)
        assert ("ROLE_DATA" in more) == bool(quirks.data_role)
        assert ("ROLE_DEVELOPER" in more) == (quirks.developer_role == "developer")
    assert [name for name, *_ in ROWS] == list(VENDORS)


def test_the_keys_that_are_passed_on_are_listed() -> None:
    table = REST.partition("| keys of its own")[2].partition("\n\n")[0]
    listed = {name: ticked(keys) for name, keys in re.findall(r"^\| `([\w-]+)` \| (.*?)\|$", table, re.MULTILINE)}

    assert listed == {
        name: set(vendor.quirks.extensions) for name, vendor in VENDORS.items() if vendor.quirks.extensions
    }


def test_what_every_vendor_supports_is_what_a_server_without_a_vendor_supports() -> None:
    assert ticked(REST.partition("Every vendor supports")[2].partition("except for the fields")[0]) == leaves(OPENAI)


def test_the_notes_name_the_vendors_they_hold_for() -> None:
    quirks = {name: vendor.quirks for name, vendor in VENDORS.items()}

    assert vendors_where("choices are parallel requests") == {name for name in quirks if quirks[name].single_choice}
    assert vendors_where("`end_user` is sent to") == {name for name in quirks if quirks[name].user_key}
    assert vendors_where("cannot be made to call") == {name for name in quirks if not quirks[name].tool_choices}
    assert vendors_where("vendors other than") == {name for name in quirks if quirks[name].allowed_tools}
    assert [name for name in quirks if quirks[name].prompt_formats] == ["llama-cpp"]

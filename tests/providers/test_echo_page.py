"""docs/echo.md agrees with the provider `echo`."""

import json
import re
import tomllib
from contextlib import aclosing
from pathlib import Path

import pytest
from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.providers.echo.provider import Echo, EchoSettings

PAGE = (Path(__file__).parents[2] / "docs" / "echo.md").read_text()
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", PAGE, re.M))
EXAMPLES = re.findall(r"^\$ dragoman complete --model echo (?:--system '(.+)' )?\"(.+)\"\n(.+)$", PAGE, re.M)


def test_every_key_is_listed_with_its_default():
    written = "\n".join(f"{name} = {default}" for name, default in KEYS.items() if default)

    assert list(KEYS) == list(EchoSettings.model_fields)
    assert EchoSettings.model_validate(tomllib.loads(written)) == EchoSettings()


def test_the_shown_table_is_valid():
    block = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert block is not None
    table = tomllib.loads(block[1])["providers"]["overloaded"]

    assert table.pop("plugin") == "echo"
    assert EchoSettings.model_validate(table).fail_retry_after == 2


@pytest.mark.parametrize(("script", "prompt", "said"), EXAMPLES)
async def test_the_shown_commands_print_what_is_shown(script, prompt, said):
    request = v1.CompletionRequest(model="echo")
    if script:
        assert json.loads(script.removeprefix("echo: "))
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text=script)
    request.messages.add(role=v1.ROLE_USER).parts.add(text=prompt)
    async with aclosing(Echo().complete(request, Call("1", "me"))) as events:
        text = "".join([event.delta.text async for event in events])

    assert len(EXAMPLES) == 2
    assert text == said

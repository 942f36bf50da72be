"""The programs of Yandex Cloud's page on asynchronous requests, with its client of that time, the newest, and curl."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from seed_program import PROGRAMS, Output, run, with_replaced
from waiting import blocking_until
from yandex_server import YandexServer, serving_yandex

ENVIRONMENTS = ["yandex-0.2", "yandex-0.19"]
# The program sets neither a seed nor a limit, so a small model may generate until its context is full.
ANSWER = (
    r"GPTModelResult\(.*?text=(['\"])(.+?)\1, status=<AlternativeStatus\.(?:TRUNCATED_)?FINAL.*?total_tokens=([1-9]\d*)"
)


@pytest.fixture(scope="module")
def yandex(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[YandexServer]:
    with serving_yandex(tmp_path_factory.mktemp("yandex")) as server:
        yield server


@pytest.fixture(scope="module")
def outputs(yandex: YandexServer) -> dict[str, Output]:
    """The program's output with each client. They run at the same time, because each sleeps for fifteen seconds."""
    source = (PROGRAMS / "yandex" / "deferred.py").read_text()
    changed = with_replaced(source, {"<folder_ID>": "folder", "<API_key>": yandex.server.key})
    with ThreadPoolExecutor() as pool:
        runs = pool.map(lambda environment: run(environment, changed, environ=yandex.environ), ENVIRONMENTS)
        return dict(zip(ENVIRONMENTS, runs, strict=True))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_program_prints_two_results(outputs, environment):
    text = re.sub(r"\s+", " ", outputs[environment].text)
    first, second = text.split("Variant 2:")

    assert first.startswith("Variant 1:")
    assert re.search(ANSWER, first)
    assert re.search(ANSWER, second)


def curl(name: str, folder: Path, replaced: dict[str, str]) -> Any:
    """The output of a command of a shell script."""
    script = folder / name
    script.write_text(with_replaced((PROGRAMS / "yandex" / name).read_text(), replaced))
    answer = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_the_commands_of_curl_submit_and_fetch(yandex, tmp_path):
    body = (PROGRAMS / "yandex" / "body.json").read_text()
    (tmp_path / "body.json").write_text(with_replaced(body, {"<folder_ID>": "folder"}))
    changed = {
        "<folder_ID>": "folder",
        "<IAM_token>": yandex.server.key,
        "<path_to_JSON_file>": str(tmp_path / "body.json"),
        "https://llm.api.cloud.yandex.net": yandex.server.root,
    }
    operation = curl("submit.sh", tmp_path, changed)
    changed = {
        "<IAM_token>": yandex.server.key,
        "<operation_ID>": operation["id"],
        "https://operation.api.cloud.yandex.net": yandex.server.root,
    }
    blocking_until(lambda: curl("result.sh", tmp_path, changed)["done"])
    result = curl("result.sh", tmp_path, changed)

    assert operation["done"] is False
    assert operation["createdAt"]
    assert result["id"] == operation["id"]
    assert result["response"]["@type"].endswith("/yandex.cloud.ai.foundation_models.v1.CompletionResponse")
    alternative = result["response"]["alternatives"][0]
    assert alternative["message"]["text"].strip()
    assert alternative["status"] == "ALTERNATIVE_STATUS_FINAL"
    assert int(result["response"]["usage"]["totalTokens"]) > 0

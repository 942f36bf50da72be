"""Rules about files that no linter checks: their names, their first sentence, and the vendors that they name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = [
    ROOT / folder
    for folder in ("service/dragoman_service", "clients/python/dragoman", "service/http2", "scripts", "bench", "tests")
]
VENDORS = re.compile(
    r"(?<![a-z])(anthropic|deepseek|gemini|gpt|gray_?swan|groq|huggingface|litellm|llama|mistral|ollama|openai|openrouter"
    r"|portkey|qwen|sagemaker|scaleway|smollm|vertex|vllm|xllamacpp|yandex)"
)
# The embedded model is an OpenAI upstream that we start; those who speak OpenAI's dialect are rows of data in it;
# Yandex's URIs of models begin with the name of another's; two of Google's products speak its dialects.
AT_HOME = {
    "cli/prices": r"litellm",  # whose public format of prices is read
    "providers/local": r"llama|openai|smollm|xllamacpp",
    "providers/openai/vendors": r".*",
    "dialects/openai": r".*",
    "dialects/yandex": r"gpt",
    **dict.fromkeys(("dialect/google", "dialects/google", "frontends/google", "providers/google"), r"gemini|vertex"),
}
VAGUE = {"base", "common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"}


def python_files(*folders: Path) -> Iterator[Path]:
    for folder in folders or CODE:
        yield from (path for path in sorted(folder.rglob("*.py")) if "_pb2" not in path.name)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def strangers_in(path: Path) -> set[str]:
    """Vendors that the file speaks of, though neither it nor a folder around it is named for them."""
    named = set(VENDORS.findall(path.read_text().lower())) - set(VENDORS.findall(shown(path)))
    guests = [vendors for room, vendors in AT_HOME.items() if f"/{room}" in shown(path)]
    return {vendor for vendor in named if not any(re.fullmatch(vendors, vendor) for vendors in guests)}


def test_a_vendor_is_named_only_in_files_named_for_it() -> None:
    strays = {shown(path): strangers for path in python_files(*CODE[:2]) if (strangers := strangers_in(path))}

    assert not strays


def test_no_module_has_a_meaningless_name() -> None:
    vague = [shown(path) for path in python_files() if VAGUE.intersection(re.split(r"[_.]", path.stem))]
    vague += [shown(path) for folder in CODE for path in folder.rglob("*") if path.is_dir() and path.name in VAGUE]

    assert not vague


def test_every_module_opens_with_a_sentence() -> None:
    silent = []
    for path in python_files():
        tree = ast.parse(path.read_text())
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        if tree.body and not re.search(r"\w.*[.:;,`)\w]$", first):
            silent.append(shown(path))

    assert not silent

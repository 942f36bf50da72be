"""The engine process: it is restarted after a crash, and never outlives the service."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.local.engine.own import EngineOptions, LocalEngine, running_engine
from dragoman_service.providers.local.engine.process import EngineError
from dragoman_service.providers.local.provider import LocalProvider, LocalSettings, connected, open_local
from dragoman_service.providers.local.weights.weights import WeightsError
from google.rpc import code_pb2
from local_asking import CALL, answer_of, request
from supervised import alive
from waiting import until

QUESTION = request("user: What is the capital of France?", temperature=0.0)
ENDLESS = request("user: Tell me a long story.")
ENDLESS.generation_config.response_format.grammar = 'root ::= ("la " [a-z]){1500}'


@pytest.fixture
async def mortal(weights: Path) -> AsyncIterator[LocalEngine]:
    """An engine for one test, with one slot of 256 tokens."""
    async with running_engine(EngineOptions(weights, "smollm2-135m-instruct", 1, 1, 256)) as engine:
        yield engine


@pytest.fixture
async def provider(mortal: LocalEngine, weights: Path) -> AsyncIterator[LocalProvider]:
    async with connected(mortal, LocalSettings(), weights) as provider:
        yield provider


def kill(engine: LocalEngine) -> int:
    assert engine.pid is not None
    killed = engine.pid
    os.kill(killed, signal.SIGKILL)
    return killed


def left_behind(folder: Path) -> bool:
    return folder.exists()


async def test_an_engine_that_dies_in_mid_stream_breaks_the_answer_and_comes_back(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    pieces = []
    with pytest.raises(CompletionError) as broken:
        async with aclosing(provider.complete(ENDLESS, CALL)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.HasField("delta"):
                    pieces.append(event.delta.text)
                if len(pieces) == 5:
                    killed = kill(mortal)
    answer = await answer_of(provider, QUESTION)

    assert len(pieces) >= 5
    assert (broken.value.code, broken.value.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN)
    assert not broken.value.retryable
    assert text_of(answer) == "The capital of France is Paris."
    assert mortal.restarts == 1
    assert mortal.pid not in (None, killed)


async def test_a_call_that_comes_while_the_engine_restarts_waits_for_it(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    kill(mortal)
    answer = await answer_of(provider, QUESTION)

    assert text_of(answer) == "The capital of France is Paris."


async def test_an_engine_that_is_gone_is_unavailable_until_it_answers_again(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    async def gone() -> bool:
        return not mortal.available

    async def back() -> bool:
        return mortal.available

    kill(mortal)
    await until(gone)
    meanwhile = provider.models()[0].availability
    await until(back)

    assert meanwhile == v1.AVAILABILITY_UNAVAILABLE
    assert provider.models()[0].availability == v1.AVAILABILITY_READY


async def test_a_call_waits_only_so_long_for_an_engine_that_does_not_come_back(
    mortal: LocalEngine, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(mortal, LocalSettings(), weights, ready_timeout=0.2) as provider:
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
        kill(mortal)
        with pytest.raises(CompletionError) as refused:
            await answer_of(provider, QUESTION)
        with pytest.raises(CompletionError) as uncounted:
            await provider.count_tokens(QUESTION, CALL)

    assert {error.value.reason for error in (refused, uncounted)} == {v1.ERROR_REASON_PROVIDER_UNAVAILABLE}
    assert refused.value.code == code_pb2.UNAVAILABLE
    assert refused.value.retryable
    assert refused.value.retry_after


async def test_an_answer_that_fills_the_context_has_that_finish_reason(provider: LocalProvider) -> None:
    asked = v1.CompletionRequest()
    asked.CopyFrom(ENDLESS)
    asked.messages[0].parts[0].text += " word" * 180
    answer = await answer_of(provider, asked)

    assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTEXT_LENGTH
    assert answer.usage.total_tokens <= 256 == provider.models()[0].context_window_tokens


async def test_the_engine_ends_with_the_context_and_leaves_nothing(weights: Path) -> None:
    async with running_engine(EngineOptions(weights, "m", 1, 1, 256)) as engine:
        pid, folder = engine.pid, engine.socket.parent
        mode = folder.stat().st_mode & 0o777

    assert pid is not None
    assert mode == 0o700
    assert not alive(pid)
    assert not folder.exists()


async def test_the_engine_ends_with_a_parent_that_is_killed(weights: Path) -> None:
    script = f"""
        import asyncio, pathlib
        from dragoman_service.providers.local.engine.own import EngineOptions, running_engine
        async def main():
            options = EngineOptions(pathlib.Path({str(weights)!r}), "m", 1, 1, 256)
            async with running_engine(options) as engine:
                print(engine.pid, engine.socket.parent, flush=True)
                await asyncio.Event().wait()
        asyncio.run(main())
    """
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    async for line in parent.stdout:
        if line.split()[0].isdigit():
            break
    pid, folder = int(line.split()[0]), Path(line.split()[1].decode())
    lived = alive(pid)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not alive(pid) and not left_behind(folder)

    await until(gone)

    assert lived


async def test_signals_to_all_processes_of_the_service_leave_the_engine_to_it(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    assert mortal.pid is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(mortal.pid, number)
    answer = await answer_of(provider, QUESTION)

    assert text_of(answer) == "The capital of France is Paris."
    assert mortal.restarts == 0


async def test_the_engine_gets_none_of_the_secrets_in_the_environment(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "canary")
    async with running_engine(EngineOptions(weights, "m", 1, 1, 256)) as engine:
        environment = await asyncio.to_thread(Path(f"/proc/{engine.pid}/environ").read_bytes)

    assert {b"GOMP_SPINCOUNT=1000", b"MALLOC_ARENA_MAX=2"} <= set(environment.split(b"\0"))
    assert b"canary" not in environment


async def test_the_socket_has_a_short_path_wherever_temporary_files_are(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    async with running_engine(EngineOptions(weights, "m", 1, 1, 256)) as engine:
        length = len(os.fsencode(engine.socket))

    assert length <= 100
    assert not list(deep.iterdir())


async def test_custom_weights_keep_their_name_and_get_no_default_system_message(weights: Path, tmp_path: Path) -> None:
    own = tmp_path / "My Model_v2.gguf"
    own.symlink_to(weights)
    async with open_local(LocalSettings(path=own, slots=1, context_tokens=256)) as provider:
        (model,) = provider.models()
        tokens = await provider.tokenize(v1.TokenizeRequest(request=request("user: Hello")), CALL)

    assert (model.provider_model, model.display_name) == ("my-model_v2", "My Model_v2")
    assert list(model.aliases) == ["local", "my-model_v2"]
    assert "Answer briefly" not in "".join(token.text for token in tokens.tokens)


async def test_a_file_that_the_runtime_cannot_load_is_reported_in_a_sentence(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineError, match=r"cannot load .*damaged\.gguf"):
        async with open_local(LocalSettings(path=damaged)):
            pass


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "does not exist"), (b"<html>", "is not a GGUF file"), ("folder", "is a folder")]
)
async def test_a_path_that_is_no_file_of_weights_is_reported_in_a_sentence(
    tmp_path: Path, content: bytes | str | None, sentence: str
) -> None:
    path = tmp_path / "model.gguf"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    with pytest.raises(WeightsError, match=sentence):
        async with open_local(LocalSettings(path=path)):
            pass


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        ("ImportError('libgomp.so.1: cannot open shared object file: No such file')", "apt-get install libgomp1"),
        ("ModuleNotFoundError('No module named xllamacpp', name='xllamacpp')", "pip install"),
        ("ImportError('undefined symbol: ggml')", "cannot be loaded: undefined symbol"),
    ],
)
async def test_a_runtime_that_cannot_be_imported_is_reported_in_a_sentence(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str, sentence: str
) -> None:
    (tmp_path / "xllamacpp.py").write_text(f"raise {raised}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=sentence):
        async with running_engine(EngineOptions(weights, "m", 1, 1, 256)):
            pass


async def test_a_runtime_of_another_version_is_reported_in_a_sentence(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("class CommonParams:\n    __slots__ = ()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match="does not fit this version"):
        async with running_engine(EngineOptions(weights, "m", 1, 1, 256)):
            pass


async def test_the_last_output_of_the_engine_is_reported_after_a_crash(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("import os, sys\nsys.stderr.write('GGML_ASSERT failed\\n')\nos.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"by signal SIGABRT\. Its last output: GGML_ASSERT failed"):
        async with running_engine(EngineOptions(weights, "m", 1, 1, 256)):
            pass


def test_no_other_module_is_loaded_in_the_engines_process() -> None:
    script = "import dragoman_service.providers.local.engine.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert not {"grpc", "aiohttp", "google.protobuf", "pydantic"} & set(loaded)

"""The command line of `dragoman chat`."""

from __future__ import annotations

import typer

from dragoman_service.cli.complete import MaxOutputTokens, Model, Seed, Stop, System, Temperature, TopP, Usage
from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, open_client
from dragoman_service.cli.options.durations import Timeout


def chat(
    model: Model = "local",
    system: System = None,
    max_output_tokens: MaxOutputTokens = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: Seed = None,
    stop: Stop = None,
    usage: Usage = False,
    timeout: Timeout = None,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Talk with a model. Ctrl-C stops an answer and not the talk, Ctrl-D ends it, /help shows the commands.

    Without a terminal, each line of stdin is a question, and stdout gets the answers alone.
    """
    from dragoman_service.cli.chat.conversation import Conversation
    from dragoman_service.cli.chat.talk import talk
    from dragoman_service.cli.options.prompt import build_request

    settings = build_request(
        [],
        model,
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop_sequences=stop,
    )
    client = open_client(target, api_key, tls, ca)
    code = talk(client, Conversation(settings, system or ""), timeout=timeout, usage=usage)
    if code:
        raise typer.Exit(code)

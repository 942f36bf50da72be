"""`dragoman complete`: one prompt, answered whole, streamed, or by an operation."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, ask
from dragoman_service.cli.options.durations import Timeout

Prompt = Annotated[str | None, typer.Argument(metavar="PROMPT", help="What to say; '-' or nothing: read stdin.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Name or alias, see `dragoman models`.")]
System = Annotated[str | None, typer.Option("--system", help="Standing instructions, put in front.")]
MaxOutputTokens = Annotated[int | None, typer.Option("--max-output-tokens", help="Most tokens of the answer.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="0: the likeliest; up to 2: the wildest.")]
TopP = Annotated[float | None, typer.Option("--top-p", help="Share of the likeliest tokens to choose from.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Makes the choice of tokens repeatable.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="A text that ends the answer. Repeatable.")]
Schema = Annotated[
    str | None, typer.Option("--schema", metavar="FILE|JSON", help="JSON Schema that the answer has to fit.")
]
Tools = Annotated[
    str | None, typer.Option("--tools", metavar="FILE|JSON", help="Functions that the model may call: a JSON list.")
]
Raw = Annotated[bool, typer.Option("--raw", help="The prompt goes to the model as it stands, without a template.")]
Json = Annotated[bool, typer.Option("--json", help="The whole Completion as JSON; with --stream, one event a line.")]
Stream = Annotated[
    bool | None,
    typer.Option("--stream/--no-stream", help="Whether to show pieces as they come. Default: unless --json."),
]
Later = Annotated[bool, typer.Option("--operation", help="Start an operation; show how far it is, and its answer.")]
RequestId = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help="The same request with the same ID is answered once.")
]
GoOn = Annotated[
    bool | None,
    typer.Option(
        "--continue/--no-continue",
        help="Whether the completion goes on, as an operation, after Ctrl-C. Default: only with --request-id.",
    ),
]
Usage = Annotated[bool, typer.Option("--usage", help="Say on stderr what it cost, in tokens.")]


def complete(
    prompt: Prompt = None,
    model: Model = "local",
    system: System = None,
    max_output_tokens: MaxOutputTokens = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: Seed = None,
    stop: Stop = None,
    schema: Schema = None,
    tools: Tools = None,
    raw: Raw = False,
    as_json: Json = False,
    stream: Stream = None,
    operation: Later = False,
    request_id: RequestId = None,
    go_on: GoOn = None,
    usage: Usage = False,
    timeout: Timeout = None,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Complete a prompt and write the answer on stdout as it comes. Ctrl-C stops the model's work.

    With --operation, --continue or --request-id, Ctrl-C leaves it running and tells how to attach to it again.
    """
    from dragoman_service.cli.deliveries import Question, tempo
    from dragoman_service.cli.options.prompt import asked, json_option, request_for
    from dragoman_service.cli.options.tools import tools_in

    request = request_for(
        asked(prompt, raw=raw, system=system),
        model,
        system=system,
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop_sequences=stop,
        json_schema=None if schema is None else json_option("--schema", schema),
        tools=None if tools is None else tools_in(json_option("--tools", tools)),
        request_id=request_id,
        disconnect_policy=None if go_on is None else "continue" if go_on else "cancel",
    )
    question = Question(request, timeout=timeout, as_json=as_json, usage=usage)
    answer = tempo(operation=operation, stream=not as_json if stream is None else stream)
    ask(lambda client: answer(client, question), target, api_key, tls, ca)

"""`dragoman complete`: completes one prompt, in one piece, as a stream, or as an operation."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client
from dragoman_service.cli.options.durations import Timeout

Prompt = Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt. '-' or none: it is read from stdin.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Name or alias of a model, see `dragoman models`.")]
System = Annotated[str | None, typer.Option("--system", help="Instructions for the model (system message).")]
MaxOutputTokens = Annotated[int | None, typer.Option("--max-output-tokens", help="Longest answer, in tokens.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Randomness, from 0 (none) to 2.")]
TopP = Annotated[
    float | None, typer.Option("--top-p", help="Sample from the likeliest tokens that add up to this probability.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the sampling, for repeatable answers.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="Text that ends the answer. Repeatable.")]
Schema = Annotated[
    str | None, typer.Option("--schema", metavar="FILE|JSON", help="JSON Schema that the answer must match.")
]
Tools = Annotated[
    str | None, typer.Option("--tools", metavar="FILE|JSON", help="Functions that the model may call, as a JSON list.")
]
Files = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="PATH|ADDRESS", help="Image, document or recording for the model. Repeatable."),
]
Raw = Annotated[bool, typer.Option("--raw", help="Send the prompt verbatim, without a chat template.")]
Json = Annotated[bool, typer.Option("--json", help="Write the Completion as JSON; with --stream, one event per line.")]
Stream = Annotated[
    bool | None,
    typer.Option("--stream/--no-stream", help="Show the answer as it arrives. Default: on, but off with --json."),
]
Later = Annotated[bool, typer.Option("--operation", help="Start an operation; show its progress and its answer.")]
RequestId = Annotated[
    str | None,
    typer.Option(
        "--request-id", metavar="ID", help="Idempotency key: a repeat joins the first request or gets its answer."
    ),
]
GoOn = Annotated[
    bool | None,
    typer.Option(
        "--continue/--no-continue",
        help="Let the completion continue, as an operation, after Ctrl-C. Default: only with --request-id.",
    ),
]
Usage = Annotated[bool, typer.Option("--usage", help="Write the token usage to stderr.")]


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
    files: Files = None,
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
    """Complete a prompt and write the answer to stdout as it arrives. Ctrl-C stops the model.

    With --operation, --continue or --request-id, Ctrl-C leaves the completion running and shows how to attach to it.
    """
    from dragoman_service.cli.deliveries import Invocation, choose_delivery
    from dragoman_service.cli.options.prompt import build_prompt, build_request, json_option
    from dragoman_service.cli.options.tools import tools_in

    request = build_request(
        build_prompt(prompt, files or (), raw=raw, system=system),
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
    invocation = Invocation(request, timeout=timeout, as_json=as_json, usage=usage)
    deliver = choose_delivery(operation=operation, stream=not as_json if stream is None else stream)
    run_with_client(lambda client: deliver(client, invocation), target, api_key, tls, ca)

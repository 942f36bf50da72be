"""`dragoman route`: where requests are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client

if TYPE_CHECKING:
    from dragoman import AsyncClient, v1

COLUMNS = ("target", "verdict", "priority", "weight", "breaker", "in flight", "first token")

app = typer.Typer(no_args_is_help=True)


@app.callback()
def route() -> None:
    """Show where requests are sent."""


@app.command("explain")
def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name, alias or pattern match, as a request has it.")],
    facts: Annotated[
        list[str] | None,
        typer.Option(
            "--facts",
            metavar="NAME=VALUE",
            help="Of the request: caller=ID, input_tokens=N, session=ID, only=PATTERN, label.KEY=VALUE. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the ExplainRouteResponse as JSON.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """List the targets of a model in the order in which they would be asked, and why others would not be.

    Nothing is sent to a provider. It needs an API key with the scope admin.read.
    """
    from dragoman_service.cli.terminal.output import note, write_json, write_table

    request, caller, tokens = _request(model, facts or ())

    async def work(client: AsyncClient) -> None:
        found = await client.explain_route(request, caller=caller, input_tokens=tokens)
        if as_json:
            write_json(found)
            return
        write_table(COLUMNS, [_row(one) for one in found.targets])
        note(f"{found.entry or model}: a prompt of about {found.input_tokens} tokens")

    run_with_client(work, target, api_key, tls, ca)


def _request(model: str, facts: list[str] | tuple[str, ...]) -> tuple[v1.CompletionRequest, str, int | None]:
    """The request that has the facts, the id of its caller, and its tokens if they are given."""
    from dragoman import v1

    request, caller, tokens = v1.CompletionRequest(model=model), "", None
    for fact in facts:
        name, equals, value = fact.partition("=")
        if name == "caller" and value:
            caller = value
        elif name == "input_tokens" and value.isdecimal():
            tokens = int(value)
        elif name == "session" and value:
            request.routing.session = value
        elif name == "only" and value:
            request.routing.only.append(value)
        elif name.startswith("label.") and equals:
            request.labels[name.removeprefix("label.")] = value
        else:
            known = "caller=ID, input_tokens=N, session=ID, only=PATTERN or label.KEY=VALUE"
            raise typer.BadParameter(f"{fact!r} should be {known}", param_hint="--facts")
    return request, caller, tokens


def _row(target: v1.RouteTarget) -> tuple[str, ...]:
    from dragoman import v1

    seconds = target.first_token.ToTimedelta().total_seconds()
    state = v1.RouteTarget.State.Name(target.state).removeprefix("STATE_").lower().replace("_", " ")
    pause = f" for {target.open_for.ToTimedelta().total_seconds():.0f} s" if target.HasField("open_for") else ""
    return (
        target.model,
        target.verdict,
        str(target.priority),
        f"{target.weight:g}",
        state + pause,
        str(target.in_flight),
        f"{seconds * 1000:.0f} ms" if target.HasField("first_token") else "?",
    )

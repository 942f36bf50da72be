"""Which tools `echo` calls: those of its script that the request lets it call."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dragoman import v1

from dragoman_service.providers.echo.script import EchoCall, EchoSettings


def calls_for(request: v1.CompletionRequest, script: EchoSettings) -> Sequence[EchoCall]:
    """The calls of the script, for a request with tools. If one is required and none is scripted, it is the first tool
    without arguments.

    After tool results it makes no calls unless one is required, so that a program which runs its tools comes to an end.
    """
    choice = request.tool_choice
    required = choice.mode == v1.ToolChoice.MODE_REQUIRED
    if choice.mode == v1.ToolChoice.MODE_NONE or (_answered(request) and not required):
        return ()
    allowed = choice.allowed_functions
    calls = [call for call in script.tool_calls if not allowed or call.name in allowed]
    if required and not calls:
        calls = [EchoCall(name=allowed[0] if allowed else request.tools[0].function.name)]
    one_only = choice.HasField("parallel") and not choice.parallel
    return calls[:1] if one_only else calls


def arguments_of(call: EchoCall) -> str:
    """The arguments as they are sent."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)


def _answered(request: v1.CompletionRequest) -> bool:
    return bool(request.messages) and request.messages[-1].role == v1.ROLE_TOOL

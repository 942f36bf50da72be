"""Tools, in both directions. Tool calls have no ids in this dialect, so decoding assigns them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.rpc import code_pb2

from dragoman_service.dialects.yandex.struct import is_json, json_of, struct_of
from dragoman_service.errors import CompletionError, FieldViolation, invalid

_MODES = {
    y.ToolChoice.TOOL_CHOICE_MODE_UNSPECIFIED: v1.ToolChoice.MODE_AUTO,
    y.ToolChoice.NONE: v1.ToolChoice.MODE_NONE,
    y.ToolChoice.AUTO: v1.ToolChoice.MODE_AUTO,
    y.ToolChoice.REQUIRED: v1.ToolChoice.MODE_REQUIRED,
}
_THEIR_MODES = {
    v1.ToolChoice.MODE_UNSPECIFIED: y.ToolChoice.AUTO,
    v1.ToolChoice.MODE_AUTO: y.ToolChoice.AUTO,
    v1.ToolChoice.MODE_NONE: y.ToolChoice.NONE,
    v1.ToolChoice.MODE_REQUIRED: y.ToolChoice.REQUIRED,
}


def decode_tools(tools: Iterable[y.Tool]) -> Iterator[v1.Tool]:
    """The functions, with their parameters as JSON text. Raises INVALID_FIELD."""
    for number, tool in enumerate(tools):
        if not tool.HasField("function"):
            raise invalid(FieldViolation(f"tools[{number}]", "is empty: set function"))
        function = v1.FunctionTool(name=tool.function.name, description=tool.function.description)
        if tool.function.HasField("parameters"):
            function.parameters_json_schema = json_of(tool.function.parameters)
        if tool.function.strict:
            function.strict = True
        yield v1.Tool(function=function)


def decode_tool_choice(request: y.CompletionRequest) -> v1.ToolChoice | None:
    """The choice among the tools, None if the request does not set one. Raises INVALID_FIELD."""
    choice = v1.ToolChoice()
    match request.tool_choice.WhichOneof("tool_choice"):
        case "mode":
            if request.tool_choice.mode not in _MODES:
                raise invalid(FieldViolation("tool_choice.mode", "must be one of NONE, AUTO, REQUIRED"))
            choice.mode = _MODES[request.tool_choice.mode]
        case "function_name":
            choice.mode = v1.ToolChoice.MODE_REQUIRED
            choice.allowed_functions.append(request.tool_choice.function_name)
    if request.HasField("parallel_tool_calls"):
        choice.parallel = request.parallel_tool_calls.value
    return choice if choice.ListFields() else None


def encode_tools(request: v1.CompletionRequest) -> Iterator[y.Tool]:
    """The functions that may be called. Raises INVALID_FIELD.

    If only some are allowed, the others are left out: the dialect has no list of allowed functions.
    """
    allowed = request.tool_choice.allowed_functions
    for number, tool in enumerate(request.tools):
        function = tool.function
        if allowed and function.name not in allowed:
            continue
        encoded = y.FunctionTool(name=function.name, description=function.description, strict=function.strict)
        if function.parameters_json_schema:
            try:
                encoded.parameters.CopyFrom(struct_of(function.parameters_json_schema))
            except ValueError as wrong:
                path = f"tools[{number}].function.parameters_json_schema"
                raise invalid(FieldViolation(path, f"cannot be sent to this provider: {wrong}")) from None
        yield y.Tool(function=encoded)


def encode_tool_choice(choice: v1.ToolChoice) -> y.ToolChoice:
    """The name of the function if exactly one must be called, otherwise the mode: `encode_tools` left out the rest."""
    if choice.mode == v1.ToolChoice.MODE_REQUIRED and len(choice.allowed_functions) == 1:
        return y.ToolChoice(function_name=choice.allowed_functions[0])
    return y.ToolChoice(mode=_THEIR_MODES[choice.mode])


def encode_tool_calls(calls: Iterable[v1.ToolCall]) -> y.ToolCallList:
    """Calls with their arguments as a struct. Raises PROVIDER_MALFORMED if the arguments are not a JSON object."""
    encoded = y.ToolCallList()
    for call in calls:
        try:
            arguments = struct_of(call.arguments_json)
        except ValueError as wrong:
            raise CompletionError(
                code_pb2.INTERNAL,
                v1.ERROR_REASON_PROVIDER_MALFORMED,
                f"The arguments of a call of {call.name!r} cannot be expressed in this API: {wrong}. The native API "
                "returns them unchanged.",
            ) from None
        encoded.tool_calls.add().function_call.CopyFrom(y.FunctionCall(name=call.name, arguments=arguments))
    return encoded


class OpenCalls:
    """Numbers the calls of a conversation, and finds the call that each result answers.

    Results name only their function, so each answers the first open call of that function.
    """

    def __init__(self) -> None:
        self._count = 0
        self._open: list[v1.ToolCall] = []

    def calls(self, called: y.ToolCallList, path: str) -> Iterator[v1.Part]:
        """The calls of one message. The same conversation always gets the same ids. Raises INVALID_FIELD."""
        for number, call in enumerate(called.tool_calls):
            if not call.HasField("function_call"):
                raise invalid(FieldViolation(f"{path}.tool_calls[{number}]", "is empty: set function_call"))
            function = call.function_call
            if not is_json(function.arguments):
                at = f"{path}.tool_calls[{number}].function_call.arguments"
                raise invalid(FieldViolation(at, "holds NaN or infinity, which JSON does not allow"))
            self._count += 1
            decoded = v1.ToolCall(
                id=f"call{self._count:05}", name=function.name, arguments_json=json_of(function.arguments)
            )
            self._open.append(decoded)
            yield v1.Part(tool_call=decoded)

    def results(self, results: y.ToolResultList, path: str) -> Iterator[v1.Part]:
        """The results of one message. Raises INVALID_FIELD for one that answers no open call."""
        for number, result in enumerate(results.tool_results):
            if not result.HasField("function_result"):
                raise invalid(FieldViolation(f"{path}.tool_results[{number}]", "is empty: set function_result"))
            name = result.function_result.name
            call = next((call for call in self._open if call.name == name), None)
            if call is None:
                at = f"{path}.tool_results[{number}].function_result.name"
                raise invalid(FieldViolation(at, "must name a function that an earlier message called"))
            self._open.remove(call)
            text = result.function_result.content
            yield v1.Part(tool_result=v1.ToolResult(tool_call_id=call.id, name=name, text=text))


def encode_tool_results(results: Sequence[v1.ToolResult], calls: Sequence[v1.ToolCall]) -> y.ToolResultList:
    """Results in the order of `calls`, because nothing but the order distinguishes results of the same function."""
    order = {call.id: number for number, call in enumerate(calls)}
    names = {call.id: call.name for call in calls}
    encoded = y.ToolResultList()
    for result in sorted(results, key=lambda result: order.get(result.tool_call_id, len(order))):
        name = result.name or names.get(result.tool_call_id, "")
        if not name:
            raise invalid(
                FieldViolation("messages.tool_result.name", "is required, because the messages do not contain the call")
            )
        encoded.tool_results.add().function_result.CopyFrom(y.FunctionResult(name=name, content=result.text))
    return encoded

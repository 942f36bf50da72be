"""Shows one operation: its metadata, then its answer or its error."""

from __future__ import annotations

from dragoman import v1
from dragoman.operation import metadata_of
from google.longrunning.operations_pb2 import Operation
from google.rpc import code_pb2

from dragoman_service.cli.terminal.output import write_fields, write_line
from dragoman_service.cli.terminal.wording import answer_text, state_text, time_text, usage_text

DETAILS = ("provider", "created_by", "request_id", "priority")
TIMES = ("create_time", "start_time", "end_time", "expire_time")


def show(operation: Operation) -> None:
    """Writes the operation to stdout."""
    metadata = metadata_of(operation)
    known = [("name", operation.name), ("state", state_text(metadata)), ("model", metadata.model)]
    known += [(name, str(getattr(metadata, name))) for name in DETAILS if getattr(metadata, name)]
    known += [(name, time_text(getattr(metadata, name))) for name in TIMES if metadata.HasField(name)]  # type: ignore[arg-type]
    known += [("attempts", str(metadata.attempts)), ("usage", usage_text(metadata.usage))]
    known += [(f"label {key}", value) for key, value in sorted(metadata.labels.items())]
    write_fields(known)
    match operation.WhichOneof("result"):
        case "response":
            completion = v1.Completion()
            operation.response.Unpack(completion)
            write_line(f"\n{answer_text(completion)}")
        case "error":
            write_line(f"\n{code_pb2.Code.Name(operation.error.code)}: {operation.error.message}")

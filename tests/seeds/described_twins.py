"""Our wire twins under their vendors' names, described for a comparison with the vendors' own messages."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from dragoman_service.transport.grpc.twins import ForeignNames
from google.protobuf.descriptor import Descriptor


def described(packages: Iterable[str], fields_of: Callable[[Descriptor], Any]) -> Any:
    """The methods of these files, and the messages and enums that they need. `fields_of` describes a message."""
    names, facts = ForeignNames(packages), {"messages": {}, "enums": {}, "methods": {}}
    for file in packages:
        module = importlib.import_module(file.replace("/", ".").replace(".proto", "_pb2"))
        for twin in module.DESCRIPTOR.services_by_name.values():
            for method in names.service(twin).methods:
                path = f"{method.containing_service.full_name}/{method.name}"
                taken, given = method.input_type, method.output_type
                facts["methods"][path] = [taken.full_name, given.full_name, method.server_streaming]
                _describe(taken, fields_of, facts)
                _describe(given, fields_of, facts)
    return facts


def _describe(message: Descriptor, fields_of: Callable[[Descriptor], Any], facts: Any) -> None:
    if message.full_name in facts["messages"] or message.full_name.startswith("google."):
        return
    facts["messages"][message.full_name] = fields_of(message)
    for field in message.fields:
        if field.message_type is not None:
            _describe(field.message_type, fields_of, facts)
        if field.enum_type is not None:
            values = {value.name: value.number for value in field.enum_type.values}
            facts["enums"][field.enum_type.full_name] = values

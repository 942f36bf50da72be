"""Messages that are described by a table, so that no code of others is needed to speak with their programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
Table = Mapping[str, Mapping[str, tuple[int, str]]]
"""The fields of each message: number and type, with `*` if it is repeated. Other types are messages of the table."""
_TYPES = {
    "bool": Field.TYPE_BOOL,
    "bytes": Field.TYPE_BYTES,
    "int32": Field.TYPE_INT32,
    "int64": Field.TYPE_INT64,
    "string": Field.TYPE_STRING,
    "uint32": Field.TYPE_UINT32,
}
_ANY = any_pb2.DESCRIPTOR


def messages(package: str, table: Table) -> Callable[[str], Any]:
    """The classes of the messages of a package, by name. Every field tells whether it is set."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_ANY.serialized_pb)
    pool.Add(_described(package, table))
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def _described(package: str, table: Table) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.twins.proto", package=package, dependency=[_ANY.name])
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = Field.LABEL_REPEATED if kind.startswith("*") else Field.LABEL_OPTIONAL
            described = message.field.add(name=field, number=number, label=label)
            kind = kind.lstrip("*")
            if kind in _TYPES:
                described.type = _TYPES[kind]
            else:
                own = f".{package}.{kind}"
                described.type, described.type_name = Field.TYPE_MESSAGE, own if kind in table else f".{kind}"
    return file

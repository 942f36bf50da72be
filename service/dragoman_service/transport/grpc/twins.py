"""Serves wire twins under their vendor's names: registers the methods, and makes descriptors for reflection.

A wire twin is a message or service of ours with a vendor's field numbers. It lives in a package of our own, so that it
and the vendor's stubs can be loaded into one process. Callers must see the vendor's names, so the descriptors are
copied under these names into a pool of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Handlers = dict[str, Any]  # of grpc.RpcMethodHandler, which has type parameters only in its stubs


def method_handlers(twin: ServiceDescriptor, servicer: object) -> Handlers:
    """Returns the handlers for the methods of a twin: the methods of `servicer` with the same names.

    Callers of a method that `servicer` lacks get UNIMPLEMENTED.
    """
    handlers = {}
    for method in twin.methods:
        if not hasattr(servicer, method.name):
            continue
        handler = (
            grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        )
        handlers[method.name] = handler(
            getattr(servicer, method.name),
            GetMessageClass(method.input_type).FromString,
            GetMessageClass(method.output_type).SerializeToString,
        )
    return handlers


class ForeignNames:
    """Gives files of twins their vendor's names. `packages` maps the name of each file to the vendor's package."""

    def __init__(self, packages: Mapping[str, str]) -> None:
        self._packages = packages
        self._pool = DescriptorPool()
        self._files: dict[str, str] = {}  # names of our files, and their names in the pool
        self._types: dict[str, str] = {}  # names of our types, and the vendor's names, both with a leading dot

    def service(self, twin: ServiceDescriptor) -> ServiceDescriptor:
        """Returns the descriptor of the service under the vendor's name, in a pool of its own."""
        self._add(twin.file)
        return self._pool.FindServiceByName(f"{self._packages[twin.file.name]}.{twin.name}")

    def _add(self, file: FileDescriptor) -> None:
        if file.name in self._files:
            return
        for needed in file.dependencies:
            self._add(needed)
        self._files[file.name] = self._file_name(file.name)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        if file.name in self._packages:
            self._rename(copy)
        self._pool.Add(copy)

    def _file_name(self, name: str) -> str:
        package = self._packages.get(name)
        return name if package is None else f"{package.replace('.', '/')}/{name.rpartition('/')[2]}"

    def _rename(self, copy: descriptor_pb2.FileDescriptorProto) -> None:
        ours, theirs = copy.package, self._packages[copy.name]
        tops = [message.name for message in copy.message_type] + [enum.name for enum in copy.enum_type]
        self._types |= {f".{ours}.{top}": f".{theirs}.{top}" for top in tops}
        copy.name, copy.package = self._files[copy.name], theirs
        copy.ClearField("options")  # they name our packages in other languages
        copy.dependency[:] = [self._files[needed] for needed in copy.dependency]
        for field in _fields(copy.message_type):
            field.type_name = self._type_name(field.type_name)
        for service in copy.service:
            for method in service.method:
                method.input_type = self._type_name(method.input_type)
                method.output_type = self._type_name(method.output_type)

    def _type_name(self, name: str) -> str:
        """Returns the vendor's name of a type, which may be nested in another."""
        outer, nested = name, ""
        while outer and outer not in self._types:
            outer, _, last = outer.rpartition(".")
            nested = f".{last}{nested}"
        return f"{self._types[outer]}{nested}" if outer else name


def _fields(messages: Any) -> Iterator[descriptor_pb2.FieldDescriptorProto]:
    for message in messages:
        yield from (field for field in message.field if field.type_name)
        yield from _fields(message.nested_type)


class Pools:
    """Several descriptor pools as one, for reflection. The first pool that has a name answers."""

    def __init__(self, *pools: DescriptorPool) -> None:
        self._pools = pools

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """The file that defines a symbol. It knows methods too, unlike a pool.

        Raises KeyError.
        """
        try:
            file: FileDescriptor = self._find("FindFileContainingSymbol", symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            file = self._find("FindServiceByName", service).methods_by_name[method].containing_service.file
        return file

    def __getattr__(self, name: str) -> Any:
        return partial(self._find, name)

    def _find(self, name: str, *arguments: Any) -> Any:
        for pool in self._pools[:-1]:
            try:
                return getattr(pool, name)(*arguments)
            except KeyError:
                continue
        return getattr(self._pools[-1], name)(*arguments)

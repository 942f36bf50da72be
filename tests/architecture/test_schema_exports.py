"""`from dragoman import v1` exports the whole schema, including files that were added later."""

import importlib
from pathlib import Path

import pytest
from dragoman import v1
from google.protobuf.descriptor import FileDescriptor

PACKAGE = Path(v1.__file__).parent
FILES = sorted(path.stem for path in PACKAGE.glob("*_pb2.py"))


def descriptor(module: str) -> FileDescriptor:
    file: FileDescriptor = importlib.import_module(f"dragoman.v1.{module}").DESCRIPTOR
    return file


def names_of(file: FileDescriptor) -> set[str]:
    names = {*file.message_types_by_name, *file.enum_types_by_name}
    names |= {value for enum in file.enum_types_by_name.values() for value in enum.values_by_name}
    for service in file.services_by_name:
        names |= {f"{service}Stub", f"{service}Servicer", f"add_{service}Servicer_to_server"}
    return names


@pytest.mark.parametrize("module", FILES)
def test_every_message_enum_and_stub_is_exported(module: str) -> None:
    missing = {name for name in names_of(descriptor(module)) if not hasattr(v1, name)}

    assert not missing


def test_every_proto_file_was_generated() -> None:
    sources = {path.stem for path in (PACKAGE.parents[3] / "proto/dragoman/v1").glob("*.proto")}

    assert {module.removesuffix("_pb2") for module in FILES} == sources

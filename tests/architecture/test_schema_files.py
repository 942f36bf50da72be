"""Every schema file names its package in each language and leaves no number between its fields unexplained."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

HOME = "example.com/dragoman"
"""What stands for the address of the repository, in go_package and go.mod."""
ROOTS = [Path(__file__).parents[2] / folder for folder in ("proto", "service/proto")]
FILES = sorted(str(path.relative_to(root)) for root in ROOTS for path in root.rglob("*.proto"))
LONGEST_LINE = 100  # characters
OBJC_PREFIXES = {
    "dragoman.v1": "DXX",
    "dragoman.dialect.google.aiplatform.v1": "DDGA",
    "dragoman.dialect.google.generativelanguage.v1": "DDGG",
    "dragoman.dialect.xai.v1": "DDX",
    "dragoman.dialect.yandex.v1": "DDY",
}


def file_proto(path: str) -> FileDescriptorProto:
    module = path.removesuffix(".proto").replace("/", ".") + "_pb2"
    proto = FileDescriptorProto()
    importlib.import_module(module).DESCRIPTOR.CopyToProto(proto)
    return proto


def go_folder(words: list[str]) -> str:
    """The import path of a package: that of the Go client for the API; nobody generates Go from wire twins."""
    return "/".join(words) if "dialect" in words else f"{HOME}/clients/go/{'/'.join(words)}"


@pytest.mark.parametrize("path", FILES)
def test_a_file_names_its_package_in_every_language(path: str) -> None:
    file = file_proto(path)
    words = file.package.split(".")
    titles = [word.title() for word in words]
    stem = path.rpartition("/")[2].removesuffix(".proto")

    assert file.options == descriptor_pb2.FileOptions(
        csharp_namespace=".".join(titles),
        go_package=f"{go_folder(words)};{''.join(words[-2:])}",
        java_multiple_files=True,
        java_outer_classname=f"{stem.title().replace('_', '')}Proto",
        java_package=file.package,
        objc_class_prefix=OBJC_PREFIXES[file.package],
        php_namespace="\\".join(titles),
        ruby_package="::".join(titles),
    )


def messages(file: FileDescriptorProto) -> Iterator[DescriptorProto]:
    left = list(file.message_type)
    while left:
        message = left.pop()
        left += message.nested_type
        yield message


def unused_numbers(kind: DescriptorProto | EnumDescriptorProto) -> set[int]:
    """The numbers below the highest one that are neither used nor reserved."""
    if isinstance(kind, DescriptorProto):
        used = {field.number for field in kind.field}
        used |= {number for span in kind.reserved_range for number in range(span.start, span.end)}
        return set(range(1, max(used, default=0))) - used
    used = {value.number for value in kind.value}
    used |= {number for span in kind.reserved_range for number in range(span.start, span.end + 1)}
    return set(range(max(used))) - used


@pytest.mark.parametrize("path", FILES)
def test_every_number_is_used_or_reserved(path: str) -> None:
    file = file_proto(path)
    kinds = [*messages(file), *file.enum_type, *(enum for message in messages(file) for enum in message.enum_type)]
    unused = {kind.name: numbers for kind in kinds if (numbers := unused_numbers(kind))}

    assert not unused


@pytest.mark.parametrize("path", FILES)
def test_no_line_is_too_long(path: str) -> None:
    lines = next(root / path for root in ROOTS if (root / path).exists()).read_text().splitlines()

    assert not [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE]

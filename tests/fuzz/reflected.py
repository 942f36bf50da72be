"""The methods of a service as its reflection lists them, with the types of their requests and answers."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method."""

    path: str
    request: Descriptor
    answer: Descriptor

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


async def rpcs_of(channel: grpc.aio.Channel) -> list[Rpc]:
    """All methods of all services."""
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    services = [service.name for service in (await _reflect(channel, asked))[0].list_services_response.service]
    files = await _reflect(
        channel, [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in services]
    )
    protos: dict[str, FileDescriptorProto] = {}
    for answer in files:
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            proto = FileDescriptorProto.FromString(raw)
            protos.setdefault(proto.name, proto)
    pool, added = DescriptorPool(), set[str]()
    for name in protos:
        _add(name, protos, pool, added)
    methods = [method for name in services for method in pool.FindServiceByName(name).methods]
    return [Rpc(f"/{m.containing_service.full_name}/{m.name}", m.input_type, m.output_type) for m in methods]


async def _reflect(
    channel: grpc.aio.Channel, requests: list[reflection_pb2.ServerReflectionRequest]
) -> list[reflection_pb2.ServerReflectionResponse]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return [answer async for answer in stub.ServerReflectionInfo(iter(requests))]


def _add(name: str, protos: dict[str, FileDescriptorProto], pool: DescriptorPool, added: set[str]) -> None:
    if name in added:
        return
    added.add(name)
    for needed in protos[name].dependency:
        _add(needed, protos, pool, added)
    pool.Add(protos[name])

"""The vendor's own messages and services, as far as its client loads them: reported in JSON."""

import json

from yandex.cloud.ai.foundation_models.v1 import text_common_pb2
from yandex.cloud.ai.foundation_models.v1.text_generation import text_generation_service_pb2
from yandex.cloud.endpoint import api_endpoint_pb2, api_endpoint_service_pb2
from yandex.cloud.operation import operation_pb2, operation_service_pb2


def fields_of(message):
    for field in message.fields:
        kind = field.message_type or field.enum_type
        oneof = field.containing_oneof
        yield [
            field.number,
            field.name,
            field.json_name,
            field.type,
            kind.full_name if kind else "",
            field.is_repeated,
            sorted(member.number for member in oneof.fields) if oneof else [],
        ]


def tell(message, facts):
    facts["messages"][message.full_name] = sorted(fields_of(message))
    for enum in message.enum_types:
        facts["enums"][enum.full_name] = {value.name: value.number for value in enum.values}
    for nested in message.nested_types:
        tell(nested, facts)


facts = {"messages": {}, "enums": {}, "methods": {}}
for module in (
    text_common_pb2,
    text_generation_service_pb2,
    api_endpoint_pb2,
    api_endpoint_service_pb2,
    operation_pb2,
    operation_service_pb2,
):
    for message in module.DESCRIPTOR.message_types_by_name.values():
        tell(message, facts)
    for service in module.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            facts["methods"][f"{service.full_name}/{method.name}"] = [
                method.input_type.full_name,
                method.output_type.full_name,
                method.server_streaming,
            ]
print(json.dumps(facts))

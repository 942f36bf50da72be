"""The vendor's own messages and methods, as its client has them: reported in JSON."""

import json

from xai_sdk.proto import auth_pb2, chat_pb2, models_pb2, tokenize_pb2

facts = {"messages": {}, "enums": {}, "methods": {}}


def tell(message):
    if message.full_name in facts["messages"]:
        return
    facts["messages"][message.full_name] = {field.number: told(field) for field in message.fields}
    for field in message.fields:
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            tell(field.message_type)


def told(field):
    kind = field.message_type or field.enum_type
    if field.enum_type is not None:
        facts["enums"][kind.full_name] = {value.name: value.number for value in kind.values}
    return [field.name, field.type, kind.full_name if kind else "", field.is_repeated, field.has_presence]


for module in (auth_pb2, chat_pb2, models_pb2, tokenize_pb2):
    for service in module.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            path = f"{service.full_name}/{method.name}"
            facts["methods"][path] = [
                method.input_type.full_name,
                method.output_type.full_name,
                method.server_streaming,
            ]
            tell(method.input_type)
            tell(method.output_type)
print(json.dumps(facts))

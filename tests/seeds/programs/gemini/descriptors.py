"""The messages of the vendor's three packages, as its generated clients have them: reported in JSON."""

import json

import google.ai.generativelanguage_v1 as stable
import google.ai.generativelanguage_v1beta as beta
import google.cloud.aiplatform_v1.types as vertex

COMMON = ["GenerateContentRequest", "GenerateContentResponse", "CountTokensRequest", "CountTokensResponse"]
MODELS = ["GetModelRequest", "ListModelsRequest", "ListModelsResponse", "Model"]
TOKENS = ["ComputeTokensRequest", "ComputeTokensResponse"]
PACKAGES = {beta: COMMON + MODELS, stable: COMMON + MODELS, vertex: COMMON + TOKENS}
facts = {"messages": {}, "enums": {}}


def tell(message):
    if message.full_name in facts["messages"]:
        return
    facts["messages"][message.full_name] = {field.number: told(field) for field in message.fields}
    for field in message.fields:
        if field.message_type is not None and not field.message_type.full_name.startswith("google.protobuf."):
            tell(field.message_type)


def told(field):
    kind = field.message_type or field.enum_type
    if field.enum_type is not None:
        facts["enums"][kind.full_name] = {value.name: value.number for value in field.enum_type.values}
    name = field.name.rstrip("_")  # the clients write `type_` for `type`
    return [name, field.type, kind.full_name if kind else "", field.is_repeated, field.has_presence]


for package, names in PACKAGES.items():
    for name in names:
        tell(getattr(package, name).pb(getattr(package, name)()).DESCRIPTOR)
print(json.dumps(facts))

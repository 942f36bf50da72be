"""Describes the vendor's messages in JSON: their fields by number, and the types of a tensor."""

import json

from google.cloud.aiplatform_v1 import types

PACKAGE = "google.cloud.aiplatform.v1."
SERVED = (
    types.PredictRequest,
    types.PredictResponse,
    types.StreamingPredictRequest,
    types.StreamingPredictResponse,
    types.GetPublisherModelRequest,
    types.PublisherModel,
)


def is_repeated(field):
    """The older client's protobuf has no attribute for it."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def tell(message, told):
    name = message.full_name.removeprefix(PACKAGE)
    if name in told or not message.full_name.startswith(PACKAGE):
        return
    told[name] = {str(field.number): [field.name, field.type, is_repeated(field)] for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            tell(field.message_type, told)


messages = {}
for message in SERVED:
    tell(message.pb(message()).DESCRIPTOR, messages)
values = types.Tensor.pb(types.Tensor()).DESCRIPTOR.enum_types_by_name["DataType"].values
print(json.dumps({"messages": messages, "data types": {value.name: value.number for value in values}}))

"""The messages of grpc.testing, as grpc's interop clients send them: twins with the same names and numbers.

The protocol is described at github.com/grpc/grpc, doc/interop-test-descriptions.md.
"""

from __future__ import annotations

from twins import messages

PACKAGE = "grpc.testing"
message = messages(
    PACKAGE,
    {
        "Empty": {},
        "BoolValue": {"value": (1, "bool")},
        "Payload": {"type": (1, "int32"), "body": (2, "bytes")},
        "EchoStatus": {"code": (1, "int32"), "message": (2, "string")},
        "SimpleRequest": {
            "response_size": (2, "int32"),
            "payload": (3, "Payload"),
            "response_compressed": (6, "BoolValue"),
            "response_status": (7, "EchoStatus"),
        },
        "SimpleResponse": {"payload": (1, "Payload")},
        "StreamingInputCallRequest": {"payload": (1, "Payload")},
        "StreamingInputCallResponse": {"aggregated_payload_size": (1, "int32")},
        "ResponseParameters": {"size": (1, "int32"), "interval_us": (2, "int32"), "compressed": (3, "BoolValue")},
        "StreamingOutputCallRequest": {
            "response_parameters": (2, "*ResponseParameters"),
            "payload": (3, "Payload"),
            "response_status": (7, "EchoStatus"),
        },
        "StreamingOutputCallResponse": {"payload": (1, "Payload")},
    },
)

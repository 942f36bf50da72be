"""What goes wrong: reported in JSON."""

import json
import sys

import grpc
from yandex_cloud_ml_sdk import YCloudML
from yandex_cloud_ml_sdk.exceptions import RunError


def failure(model="yandexgpt", auth=sys.argv[1], text="Hello", **options):
    try:
        sdk = YCloudML(folder_id="folder", auth=auth)
        sdk.models.completions(model).configure(**options).run(text)
    except grpc.aio.AioRpcError as error:
        return {"code": error.code().name, "message": error.details()}


def failed_operation():
    operation = YCloudML(folder_id="folder", auth=sys.argv[1]).models.completions("overloaded").run_deferred("Hello")
    try:
        operation.wait(poll_interval=0.1)
    except RunError as error:
        return {"code": error.code, "message": error.message, "operation": error.operation_id == operation.id}


facts = {
    "wrong key": failure(auth="wrong"),
    "unknown model": failure(model="no-such-model"),
    "too many tokens": failure(text="long " * 5000),
    "too much asked": failure(max_tokens=100_000_000),
    "operation": failed_operation(),
}
print(json.dumps(facts))

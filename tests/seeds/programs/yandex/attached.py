"""Newer clients can come back to an operation by its id. Reported in JSON."""

import json
import sys

from yandex_cloud_ml_sdk import YCloudML

sdk = YCloudML(folder_id="folder", auth=sys.argv[1])
model = sdk.models.completions("yandexgpt")
operation = model.configure(temperature=0).run_deferred("What is the capital of France?")
result = model.attach_deferred(operation.id).wait(poll_interval=0.1)
print(json.dumps({"text": result.alternatives[0].text}))

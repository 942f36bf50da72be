"""What else the blocking client does with a model: run, run_stream, tokenize, cancel. Reported in JSON."""

import json
import sys

from yandex_cloud_ml_sdk import YCloudML

sdk = YCloudML(folder_id="folder", auth=sys.argv[1])
model = sdk.models.completions("yandexgpt").configure(temperature=0, max_tokens=60)
whole = model.run("What is the capital of France?")
streamed = list(model.run_stream("What is the capital of France?"))
tokens = model.tokenize("What is the capital of France?")
operation = sdk.models.completions("slow").run_deferred("word " * 400)
running = operation.get_status().is_running
operation.cancel()
status = operation.get_status()
facts = {
    "whole": whole.alternatives[0].text,
    "role": whole.alternatives[0].role,
    "status": whole.alternatives[0].status.name,
    "usage": [whole.usage.input_text_tokens, whole.usage.completion_tokens, whole.usage.total_tokens],
    "version": whole.model_version,
    "streamed": [result.alternatives[0].text for result in streamed],
    "statuses": [result.alternatives[0].status.name for result in streamed],
    "tokens": [token.text for token in tokens],
    "operation": operation.id,
    "was_running": running,
    "cancelled": [status.is_failed, status.error.code],
}
print(json.dumps(facts))

#!/usr/bin/env python3
"""Follows Yandex Cloud's page "Sending an asynchronous request": its program, both variants."""

from __future__ import annotations

import time

from yandex_cloud_ml_sdk import YCloudML

messages_1 = [
    {
        "role": "system",
        "text": "Answer in one short sentence.",
    },
    {
        "role": "user",
        "text": """What is the capital
of France?""",
    },
]
messages_2 = [
    {"role": "system", "text": "Answer in one short sentence."},
    {"role": "user", "text": "What colour is snow?"},
]


def main():
    sdk = YCloudML(
        folder_id="<folder_ID>",
        auth="<API_key>",
    )

    model = sdk.models.completions("yandexgpt")

    # The first way: ask every five seconds whether it is done.
    print("Variant 1:")

    operation = model.configure(temperature=0.5).run_deferred(messages_1)

    status = operation.get_status()
    while status.is_running:
        time.sleep(5)
        status = operation.get_status()

    result = operation.get_result()
    print(result)

    # The second way: let the client wait.
    print("Variant 2:")

    operation = model.run_deferred(messages_2)

    result = operation.wait()
    print(result)


if __name__ == "__main__":
    main()

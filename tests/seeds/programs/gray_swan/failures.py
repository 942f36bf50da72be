"""What goes wrong, at once and in the middle of a stream: reported in JSON."""

import json
import os

import gray_swan

QUESTION = [{"role": "user", "content": "Hello"}]


def failure(key=None, **parameters):
    client = gray_swan.GraySwan(api_key=key or os.environ["GRAYSWAN_API_KEY"], max_retries=1)
    try:
        client.chat.completion.create(messages=QUESTION, **parameters)
    except gray_swan.APIStatusError as error:
        return {
            "type": type(error).__name__,
            "status": error.status_code,
            "message": error.message,
        }


facts = {
    "wrong key": failure(key="wrong", model="echo"),
    "unknown model": failure(model="no-such-model"),
    "bad parameter": failure(model="echo", temperature=-1),
    "overloaded": failure(model="overloaded/echo"),
    "spent": failure(model="spent/echo"),
}
print(json.dumps(facts))

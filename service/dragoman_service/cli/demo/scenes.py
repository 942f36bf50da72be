"""The code that the demo runs and shows verbatim, so that it reads as in a caller's own program."""

# ruff: noqa: T201

from collections.abc import Callable

from dragoman import Client, OperationHandle, v1

Show = Callable[[OperationHandle], None]


def complete(client: Client) -> v1.Completion:
    return client.complete("What is the capital of France?", temperature=0)


def stream(client: Client) -> list[v1.CompletionEvent]:
    prompt = "What is a translator's job?"
    events = []
    for event in client.stream(prompt, temperature=0, max_output_tokens=200):
        print(event.delta.text, end="", flush=True)
        events.append(event)
    return events


def complete_json(client: Client) -> v1.Completion:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "country": {"type": "string"},
            "continent": {"enum": ["Africa", "America", "Asia", "Europe"]},
            "is_capital": {"type": "boolean"},
        },
        "required": ["city", "country", "continent", "is_capital"],
        "additionalProperties": False,
    }
    prompt = "Describe the city of Paris."
    return client.complete(prompt, temperature=0, json_schema=schema)


def start(client: Client, show: Show) -> v1.Completion:
    prompt = "What is a translator's job?"
    handle = client.start(prompt, temperature=0, max_output_tokens=200)
    show(handle)
    while not handle.operation.done:
        show(handle.wait(timeout=0.05))
    return handle.result()

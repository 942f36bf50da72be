"""The code that the demo runs. It is shown as it stands here, so it reads as in a caller's own program."""

# ruff: noqa: T201

from collections.abc import Callable

from dragoman import Client, OperationHandle, v1

Show = Callable[[OperationHandle], None]


def whole(client: Client) -> v1.Completion:
    return client.complete("What is the capital of France?", temperature=0)


def streamed(client: Client) -> list[v1.CompletionEvent]:
    prompt = "What is a translator's job?"
    events = []
    for event in client.stream(prompt, temperature=0, max_output_tokens=200):
        print(event.delta.text, end="", flush=True)
        events.append(event)
    return events


def structured(client: Client) -> v1.Completion:
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


def later(client: Client, show: Show) -> v1.Completion:
    prompt = "What is a translator's job?"
    job = client.start(prompt, temperature=0, max_output_tokens=200)
    show(job)
    while not job.operation.done:
        show(job.wait(timeout=0.05))
    return job.result()

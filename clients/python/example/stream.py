"""Prints a streamed answer of the service at 127.0.0.1:50051, which `make run` starts."""

import sys

from dragoman import Client

prompt = " ".join(sys.argv[1:]) or "What is the capital of France?"
with Client() as client:  # $DRAGOMAN_TARGET, else 127.0.0.1:50051
    for event in client.stream(prompt):
        print(event.delta.text, end="", flush=True)
    print()

"""The program that docs/clients.md shows parts of."""

from dragoman import TLS, Client, DragomanError, text_of

client = Client("completions.example.com:443", api_key="KEY", tls=TLS(ca="ca.pem"))

for event in client.stream("Count to five.", model="local", timeout=30):
    print(event.delta.text, end="", flush=True)
print()

try:
    client.complete("Hello!", model="nobody")
except DragomanError as error:
    print(error.code.name, error.reason, len(error.fields), error.retry_after)

operation = client.start("Describe a lighthouse.", model="local")
print(operation.name.partition("/")[0], text_of(operation.result(timeout=600)))
operation.delete()

name, last, text = "", 0, ""
for event in client.stream("Name three fruits.", model="local", disconnect_policy="continue"):
    name, last = event.started.operation or name, event.sequence
    text += event.delta.text
print(text)
for event in client.attach(name, after_sequence=last - 1):
    print(event.WhichOneof("event"))
client.close()

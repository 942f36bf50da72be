import { readFileSync } from "node:fs";
import { Client, Code, DragomanError, textOf } from "@dragoman/client";
import { ErrorReason } from "@dragoman/client/v1";

const tls = { ca: readFileSync("ca.pem") };
const client = new Client({ target: "completions.example.com:443", apiKey: "KEY", tls });

const answer = client.stream("Count to five.", { model: "local", timeoutMs: 30_000 });
for await (const text of answer.text()) process.stdout.write(text);
console.log();

try {
  await client.complete("Hello!", { model: "nobody" });
} catch (error) {
  if (!(error instanceof DragomanError)) throw error;
  console.log(Code[error.code], ErrorReason[error.reason], error.fields.length, error.retryAfterMs);
}

const operation = await client.start("Describe a lighthouse.", { model: "local" });
console.log(operation.name.split("/")[0], textOf(await operation.result({ timeoutMs: 600_000 })));
await operation.delete();

let [last, said] = [0n, ""];
const stream = client.stream("Name three fruits.", { model: "local", disconnectPolicy: "continue" });
for await (const event of stream) {
  last = event.sequence;
  if (event.event.case === "delta") said += event.event.value.content.value;
}
console.log(said);
for await (const event of client.operation(stream.operation).events(last - 1n)) {
  console.log(event.event.case);
}
client.close();

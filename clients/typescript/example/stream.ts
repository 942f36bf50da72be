// Prints a streamed answer of the service that `make run` started: `node stream.js "What is the capital of France?"`.
import { Client } from "../src/index.js";

const client = new Client();
for await (const text of client.stream(process.argv[2] ?? "What is the capital of France?").text()) {
  process.stdout.write(text);
}
process.stdout.write("\n");
client.close();

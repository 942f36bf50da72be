// Begins a response in the background, reads a part of it and is cut off; says where it was.
import OpenAI from "openai";

const script = "echo: " + JSON.stringify({ text: "one two three four five", delay: "300ms" });
const input = [
  { role: "developer", content: script },
  { role: "user", content: "Count" },
];
let id;
for await (const event of await new OpenAI().responses.create({ model: "echo", input, background: true, stream: true })) {
  if (event.type === "response.created") id = event.response.id;
  if (event.type === "response.output_text.delta") {
    console.log(JSON.stringify({ id, number: event.sequence_number }));
    break;
  }
}

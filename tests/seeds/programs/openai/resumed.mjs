// Reads the rest of a response after an event, and ends with the response: `resumed.mjs ID NUMBER`.
import OpenAI from "openai";

const [id, number] = process.argv.slice(2);
const rest = [];
const query = { stream: true, starting_after: Number(number) };
for await (const event of await new OpenAI().responses.retrieve(id, query)) rest.push(event);
const last = rest.at(-1);
const parts = last.response.output.flatMap((item) => item.content ?? []);
const text = parts.map((part) => part.text).join("");
const kinds = [...new Set(rest.map((event) => event.type))];
console.log(JSON.stringify({ first: rest[0].sequence_number, last: last.type, text, kinds }));

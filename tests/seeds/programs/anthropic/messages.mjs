// What programs for Anthropic do, and what goes wrong: reported in JSON.
//
//     node messages.mjs URL KEY
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "What is the capital of France?" }];
const precise = { model: "claude-opus-5", max_tokens: 24, messages, temperature: 0 };
const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
const thinking = { type: "enabled", budget_tokens: 1024 };

function textOf(message) {
  return message.content.map((block) => block.text ?? "").join("");
}

function used({ usage }) {
  return [usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens];
}

async function helped(request) {
  const stream = client.messages.stream(request);
  const texts = [];
  stream.on("text", (text) => texts.push(text));
  return { texts, final: await stream.finalMessage() };
}

async function failed(request, other = client) {
  let text = "";
  try {
    const stream = await other.messages.create({ max_tokens: 64, messages, stream: true, ...request });
    for await (const event of stream) text += event.delta?.text ?? "";
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    const { type, message } = error.error?.error ?? {};
    return { class: error.constructor.name, status: error.status, type, message, text, named: Boolean(error.requestID) };
  }
  return { text, class: "taken as a success" };
}

async function left() {
  const stream = client.messages.stream({
    model: "slow/echo",
    max_tokens: 2000,
    messages: [{ role: "user", content: "long ".repeat(1000) }],
  });
  for await (const event of stream) {
    if (event.type === "content_block_delta") return event.delta.text;
  }
}

async function called() {
  const request = { model: "weather", max_tokens: 2048, tools, thinking };
  const { final } = await helped({ ...request, messages });
  const use = final.content.find((block) => block.type === "tool_use");
  const content = [{ type: "tool_result", tool_use_id: use.id, content: "snow" }];
  const turns = [...messages, { role: "assistant", content: final.content }, { role: "user", content }];
  const second = await client.messages.create({ ...request, messages: turns });
  return { call: [use.name, use.input], reasons: [final.stop_reason, second.stop_reason], text: textOf(second) };
}

const whole = await client.messages.create(precise);
const { texts, final } = await helped(precise);
const thought = (await helped({ model: "thinker", max_tokens: 2048, messages, thinking })).final.content[0];
const names = [];
for await (const model of client.models.list({ limit: 2 })) names.push(model.id);
const { input_tokens } = await client.messages.countTokens({ model: "echo", messages });
const facts = {
  whole: { text: textOf(whole), reason: whole.stop_reason, usage: used(whole) },
  streamed: texts,
  final: { text: textOf(final), reason: final.stop_reason, usage: used(final) },
  named: whole._request_id,
  thought: [thought.thinking, thought.signature],
  called: await called(),
  names,
  tokens: input_tokens,
  failures: {
    "wrong key": await failed({ model: "echo" }, new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 })),
    "unknown model": await failed({ model: "no-such-model" }),
    "bad parameter": await failed({ model: "echo", max_tokens: 0 }),
    overloaded: await failed({ model: "overloaded" }),
    away: await failed({ model: "away/echo" }),
  },
  broken: await failed({ model: "breaking/echo" }),
  left: await left(),
};
console.log(JSON.stringify(facts));

// Uses the Responses API as programs do, and reports what came of it in JSON.
import OpenAI from "openai";

const client = new OpenAI();
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const TOOLS = [{ type: "function", name: "weather", parameters, strict: true }];

const scripted = (script) => ({ role: "developer", content: "echo: " + JSON.stringify(script) });
const user = (text) => ({ role: "user", content: text });

async function whole() {
  const response = await client.responses.create({
    model: "echo",
    input: "one two three",
    instructions: "Be brief.",
    metadata: { a: "b" },
  });
  const read = await client.responses.retrieve(response.id);
  const following = await client.responses.create({ model: "echo", input: "four", previous_response_id: response.id });
  const items = [];
  for await (const item of client.responses.inputItems.list(following.id, { order: "asc" })) items.push(item);
  const counted = await client.responses.inputTokens.count({ model: "echo", input: "one two three" });
  return {
    text: [response.output_text, read.output_text, following.output_text],
    status: response.status,
    usage: [response.usage.output_tokens, response.usage.total_tokens],
    metadata: response.metadata,
    items: items.map((item) => item.content[0].text),
    counted: counted.input_tokens,
  };
}

async function streamed() {
  const script = scripted({ reasoning: "Let me see.", reasoning_state: "signed", text: "It is fine.", delay: "1ms" });
  const kinds = new Set();
  const input = [script, user("How is it?")];
  const stream = client.responses.stream({ model: "echo", input, reasoning: { summary: "auto" } });
  for await (const event of stream) kinds.add(event.type);
  const final = await stream.finalResponse();
  const rest = client.responses.stream({ response_id: final.id, starting_after: 40 });
  const resumed = [];
  for await (const event of rest) resumed.push(event.sequence_number);
  const again = (await rest.finalResponse()).output_text;
  const history = [...final.output, user("Go on")];
  const after = await client.responses.create({ model: "echo", input: history, store: false });
  return {
    kinds: [...kinds],
    text: [final.output_text, again, after.output_text],
    summary: final.output[0].summary[0].text,
    encrypted: Boolean(final.output[0].encrypted_content),
    resumed: Math.min(...resumed) > 40,
  };
}

async function tools() {
  const script = scripted({ tool_calls: [{ name: "weather", arguments: { city: "Oslo" } }] });
  const request = { model: "echo", tools: TOOLS };
  const response = await client.responses.create({ ...request, input: [script, user("Oslo?")] });
  const call = response.output.find((item) => item.type === "function_call");
  const result = { type: "function_call_output", call_id: call.call_id, output: "It snows in Oslo." };
  const stored = await client.responses.create({ ...request, input: [result], previous_response_id: response.id });
  const byHand = await client.responses.create({ ...request, input: [user("Oslo?"), ...response.output, result] });
  return { call: [call.name, JSON.parse(call.arguments)], text: [stored.output_text, byHand.output_text] };
}

async function background() {
  let response = await client.responses.create({ model: "echo", input: "one two", background: true });
  while (["queued", "in_progress"].includes(response.status)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    response = await client.responses.retrieve(response.id);
  }
  const input = [scripted({ delay: "60s" }), user("one two")];
  const slow = await client.responses.create({ model: "echo", input, background: true });
  const cancelled = await client.responses.cancel(slow.id);
  await client.responses.delete(slow.id);
  return {
    text: response.output_text,
    status: [response.status, cancelled.status],
    gone: await errorOf(() => client.responses.retrieve(slow.id)),
  };
}

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return [error.constructor.name, error.status ?? null, error.code];
  }
  return null;
}

async function failures() {
  const create = (more) => errorOf(() => client.responses.create({ model: "echo", input: "Hi", ...more }));
  const seen = [];
  const broken = await errorOf(async () => {
    const input = [scripted({ text: "one two three", delay: "1ms", fail_after: 2 }), user("Hi")];
    for await (const event of await client.responses.create({ model: "echo", input, stream: true })) {
      seen.push(event.type);
    }
  });
  return {
    "unknown model": await create({ model: "no-such-model" }),
    "hosted tool": await create({ tools: [{ type: "web_search" }] }),
    "no such response": await create({ previous_response_id: "resp_none" }),
    overloaded: await create({ model: "overloaded/echo" }),
    broken,
    "before it broke": seen.at(-1),
  };
}

const report = {};
for (const part of [whole, streamed, tools, background, failures]) report[part.name] = await part();
console.log(JSON.stringify(report));

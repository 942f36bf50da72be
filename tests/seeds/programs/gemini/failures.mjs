// What goes wrong, and a stream that fails in the middle: reported in JSON.
//
//     node failures.mjs URL KEY
import { ApiError, GoogleGenAI } from "@google/genai";

const [baseUrl, key] = process.argv.slice(2);
const ASKED = {
  "wrong key": { model: "echo", apiKey: "wrong" },
  "unknown model": { model: "no-such-model" },
  "bad parameter": { model: "echo", config: { temperature: -1 } },
  overloaded: { model: "overloaded" },
  away: { model: "away/echo" },
};

function client(apiKey = key) {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
}

function told(error) {
  if (!(error instanceof ApiError)) throw error;
  const text = error.message.slice(error.message.indexOf("{"));
  return { type: error.name, code: error.status, error: JSON.parse(text).error };
}

async function asked({ apiKey, ...request }) {
  try {
    await client(apiKey).models.generateContent({ contents: "Hello", ...request });
  } catch (error) {
    return told(error);
  }
}

async function broken() {
  let text = "";
  try {
    const chunks = await client().models.generateContentStream({ model: "breaking/echo", contents: "Hello" });
    for await (const chunk of chunks) text += chunk.text ?? "";
  } catch (error) {
    return { text, ...told(error) };
  }
  return { text, type: "taken as a success" };
}

async function left() {
  const leaving = new AbortController();
  const request = { model: "slow/echo", contents: "long ".repeat(1000), config: { abortSignal: leaving.signal } };
  for await (const chunk of await client().models.generateContentStream(request)) {
    leaving.abort(); // the client does not end a stream that is merely no longer read
    return chunk.text;
  }
}

const first = await left();
const facts = {};
for (const [name, request] of Object.entries(ASKED)) facts[name] = await asked(request);
console.log(JSON.stringify({ whole: facts, broken: await broken(), left: first }));

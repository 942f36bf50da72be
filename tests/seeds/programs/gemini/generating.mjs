// What programs for Gemini do, with a key and in a project of Vertex AI: reported in JSON.
//
//     node generating.mjs URL KEY
import { FunctionCallingConfigMode, GoogleGenAI, HarmBlockThreshold, HarmCategory, Type } from "@google/genai";
import { OAuth2Client } from "google-auth-library";

const [baseUrl, key] = process.argv.slice(2);
const QUESTION = "What is the capital of France?";
const PROMPTS = { prompt: "Tell me about nerve gas.", answer: "What did you learn today?" };
const PRECISE = { temperature: 0, seed: 1, maxOutputTokens: 24 };
const GEMINI = "gemini-2.5-flash";

const httpOptions = { baseUrl };
const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: key });
const inProject = { vertexai: true, project: "my-project", location: "us-central1", googleAuthOptions: { authClient } };
const CLIENTS = {
  key: new GoogleGenAI({ apiKey: key, httpOptions }),
  project: new GoogleGenAI({ ...inProject, httpOptions }),
};

function told(response) {
  const usage = response.usageMetadata;
  return {
    text: response.text,
    reason: response.candidates[0].finishReason,
    usage: [usage.promptTokenCount, usage.candidatesTokenCount, usage.totalTokenCount],
    version: response.modelVersion,
  };
}

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function answers(ai) {
  const whole = await ai.models.generateContent({ model: GEMINI, contents: QUESTION, config: PRECISE });
  const chunks = await collected(
    await ai.models.generateContentStream({ model: GEMINI, contents: QUESTION, config: PRECISE }),
  );
  const thinking = await ai.models.generateContent({
    model: "echo",
    contents: ["Hello", "there"],
    config: {
      systemInstruction: 'echo: {"text": "As I was told.", "reasoning": "Let me see."}',
      safetySettings: [
        { category: HarmCategory.HARM_CATEGORY_HARASSMENT, threshold: HarmBlockThreshold.BLOCK_ONLY_HIGH },
      ],
      thinkingConfig: { includeThoughts: true },
    },
  });
  const parts = thinking.candidates[0].content.parts;
  return {
    whole: told(whole),
    streamed: chunks.map((chunk) => chunk.text),
    last: told(chunks.at(-1)),
    told: thinking.text,
    thoughts: parts.filter((part) => part.thought).map((part) => part.text),
  };
}

async function structured(ai) {
  const answer = await ai.models.generateContent({
    model: GEMINI,
    contents: "Name the capital of France and its country as JSON.",
    config: {
      responseMimeType: "application/json",
      responseSchema: {
        type: Type.OBJECT,
        properties: { name: { type: Type.STRING }, country: { type: Type.STRING } },
        required: ["name", "country"],
        propertyOrdering: ["name", "country"],
      },
      maxOutputTokens: 60,
      temperature: 0,
    },
  });
  return JSON.parse(answer.text);
}

async function calls(ai) {
  const declared = { name: "weather", parametersJsonSchema: { type: "object", properties: { city: { type: "string" } } } };
  const asked = [{ role: "user", parts: [{ text: "And in Oslo?" }] }];
  const config = {
    tools: [{ functionDeclarations: [declared] }],
    toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
  };
  const first = await ai.models.generateContent({ model: "weather", contents: asked, config });
  const [call] = first.functionCalls;
  const response = { result: `It snows in ${call.args.city}.` };
  const contents = [
    ...asked,
    first.candidates[0].content,
    { role: "user", parts: [{ functionResponse: { name: call.name, response } }] },
  ];
  const second = await ai.models.generateContent({ model: "weather", contents, config });
  return { call: [call.name, call.args], text: second.text };
}

async function chatting(ai) {
  const chat = ai.chats.create({ model: "echo" });
  const first = await chat.sendMessage({ message: "Hello there!" });
  const second = await collected(await chat.sendMessageStream({ message: "And again." }));
  const history = chat.getHistory(true).map(({ role, parts }) => [role, parts.map((part) => part.text).join("")]);
  return { texts: [first.text, second.map((chunk) => chunk.text ?? "").join("")], history };
}

async function listed(ai) {
  const names = [];
  for await (const model of await ai.models.list({ config: { pageSize: 2, queryBase: true } })) names.push(model.name);
  const { name } = await ai.models.get({ model: "echo" });
  const { totalTokens } = await ai.models.countTokens({ model: "echo", contents: "three more words" });
  return { models: names, model: name, tokens: totalTokens };
}

function rated(ratings = []) {
  return ratings.map(({ category, probability, blocked }) => [category, probability, blocked]);
}

function ending(...chunks) {
  const { candidates = [], promptFeedback } = chunks.at(-1);
  return {
    text: chunks.map((chunk) => chunk.text ?? "").join(""),
    candidates: candidates.length,
    reason: candidates[0]?.finishReason,
    ratings: rated(candidates[0]?.safetyRatings),
    block_reason: promptFeedback?.blockReason,
    prompt_ratings: rated(promptFeedback?.safetyRatings),
  };
}

async function blocked(ai) {
  const facts = {};
  for (const [name, contents] of Object.entries(PROMPTS)) {
    const whole = await ai.models.generateContent({ model: "guarded", contents });
    const chunks = await collected(await ai.models.generateContentStream({ model: "guarded", contents }));
    facts[name] = [ending(whole), ending(...chunks)];
  }
  return facts;
}

async function everything(ai) {
  return {
    answers: await answers(ai),
    structured: await structured(ai),
    calls: await calls(ai),
    chat: await chatting(ai),
    listed: await listed(ai),
    blocked: await blocked(ai),
  };
}

console.log(JSON.stringify({ key: await everything(CLIENTS.key), project: await everything(CLIENTS.project) }));

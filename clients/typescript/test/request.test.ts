import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { completionRequest, type Prompt, startRequest } from "../src/request.js";
import { CompletionRequestSchema, DisconnectPolicy, Role } from "../src/v1.js";

test("a conversation has roles and texts, or messages", () => {
  const { messages } = completionRequest(
    [
      { role: "user", text: "Hi" },
      { role: Role.ASSISTANT, parts: [{ content: { case: "text", value: "Hello" } }] },
    ],
    {},
  );
  assert.deepEqual(
    messages.map((message) => [message.role, message.parts[0]?.content.value]),
    [
      [Role.USER, "Hi"],
      [Role.ASSISTANT, "Hello"],
    ],
  );
});

test("options override a complete request, which stays as it was", () => {
  const given = create(CompletionRequestSchema, {
    model: "echo",
    prompt: "Once",
    labels: { a: "1" },
    generationConfig: { topK: 3, temperature: 1 },
  });
  const request = completionRequest(given, { temperature: 0, labels: { b: "2" }, disconnectPolicy: "continue" });
  assert.equal(request.model, "echo");
  assert.deepEqual({ ...request.labels }, { a: "1", b: "2" });
  assert.equal(request.generationConfig?.topK, 3);
  assert.equal(request.generationConfig?.temperature, 0);
  assert.equal(request.disconnectPolicy, DisconnectPolicy.CONTINUE);
  assert.deepEqual({ ...given.labels }, { a: "1" });
  assert.equal(given.generationConfig?.temperature, 1);
});

test("a JSON schema becomes the response format", () => {
  const { generationConfig } = completionRequest("Hi", { jsonSchema: { type: "object" } });
  const format = generationConfig?.responseFormat?.format;
  assert.equal(format?.case === "jsonSchema" && format.value.schemaJson, '{"type":"object"}');
});

test("what cannot be sent is a TypeError", () => {
  assert.throws(() => completionRequest("Hi", { temprature: 1 } as object), TypeError);
  assert.throws(() => completionRequest([{ role: "nobody", text: "Hi" }] as unknown as Prompt, {}), TypeError);
});

test("the fields of an operation are not those of its request", () => {
  const start = startRequest("Hi", { ttlMs: 1500, maxAttempts: 1, priority: 2, requestId: "mine" });
  assert.equal(start.ttl?.seconds, 1n);
  assert.equal(start.ttl?.nanos, 500_000_000);
  assert.equal(start.maxAttempts, 1);
  assert.equal(start.request?.requestId, "mine");
  assert.equal(start.request?.generationConfig, undefined);
});

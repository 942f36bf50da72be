import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Code as ConnectCode, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { Code, DragomanError, ErrorReason, textOf } from "../src/index.js";
import { CompletionService, ModelService, Role } from "../src/v1.js";
import { completionOf, serviceError } from "./answers.js";
import { FakeService } from "./fake_service.js";

let service: FakeService;
afterEach(() => service.close());

async function serve(completions: Partial<ServiceImpl<typeof CompletionService>>): Promise<void> {
  service = new FakeService((router) => router.service(CompletionService, completions));
  await service.listen();
}

async function failure(call: Promise<unknown>): Promise<DragomanError> {
  return call.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => (error instanceof DragomanError ? error : assert.fail(String(error))),
  );
}

test("complete sends the prompt, the options, the key and the deadline", async () => {
  await serve({
    createCompletion(request, context) {
      assert.equal(request.model, "local");
      assert.equal(request.generationConfig?.temperature, 0.5);
      assert.equal(request.generationConfig?.seed, 7n);
      assert.deepEqual(
        request.messages.map((message) => message.role),
        [Role.SYSTEM, Role.USER],
      );
      assert.equal(context.requestHeader.get("authorization"), "Bearer key");
      const left = context.timeoutMs() ?? 0;
      assert.ok(left > 0 && left <= 5000);
      return completionOf("Paris");
    },
  });
  const client = service.client({ apiKey: "key\n" });
  const completion = await client.complete("Capital?", {
    system: "Be short.",
    temperature: 0.5,
    seed: 7,
    timeoutMs: 5000,
  });
  assert.equal(textOf(completion), "Paris");
});

test("errors carry everything that the service reported", async () => {
  await serve({
    createCompletion() {
      throw serviceError(ConnectCode.InvalidArgument, "INVALID_FIELD");
    },
  });
  const error = await failure(service.client().complete("Hello"));
  assert.equal(error.code, Code.INVALID_ARGUMENT);
  assert.equal(error.reason, ErrorReason.INVALID_FIELD);
  assert.equal(error.message, "No.");
  assert.deepEqual(error.fields, [{ field: "model", description: "is required" }]);
  assert.equal(error.retryAfterMs, 1500);
  assert.equal(error.callId, "c1");
});

test("calls are tried four times while the service is unavailable", async () => {
  let calls = 0;
  await serve({
    createCompletion() {
      if (++calls < 4) {
        throw serviceError(ConnectCode.Unavailable, "OVERLOADED");
      }
      return completionOf("at last");
    },
  });
  assert.equal(textOf(await service.client().complete("Hello")), "at last");
  assert.equal(calls, 4);
});

test("calls are not tried again against the server's will", async () => {
  let calls = 0;
  await serve({
    createCompletion() {
      calls++;
      throw new ConnectError("No.", ConnectCode.Unavailable, { "grpc-retry-pushback-ms": "-1" });
    },
  });
  assert.equal((await failure(service.client().complete("Hello"))).code, Code.UNAVAILABLE);
  assert.equal(calls, 1);
});

test("the time-out, a signal and close end a call", async () => {
  await serve({
    createCompletion: (_, context) => new Promise((_, reject) => context.signal.addEventListener("abort", reject)),
  });
  const client = service.client();
  assert.equal((await failure(client.complete("Hello", { timeoutMs: 50 }))).code, Code.DEADLINE_EXCEEDED);
  const late = failure(client.complete("Hello", { signal: AbortSignal.timeout(50) }));
  assert.equal((await late).code, Code.DEADLINE_EXCEEDED);
  const controller = new AbortController();
  const cancelled = failure(client.complete("Hello", { signal: controller.signal }));
  controller.abort();
  assert.equal((await cancelled).code, Code.CANCELLED);
  const closed = failure(client.complete("Hello"));
  client.close();
  assert.equal((await closed).code, Code.CANCELLED);
});

test("an address on which nobody listens is UNAVAILABLE", async () => {
  await serve({});
  const client = service.client({ target: "127.0.0.1:1" });
  const error = await failure(client.complete("Hello"));
  assert.equal(error.code, Code.UNAVAILABLE);
  assert.match(error.message, /Cannot reach 127\.0\.0\.1:1/);
  assert.equal(error.callId, "");
});

test("models reads all pages", async () => {
  service = new FakeService((router) =>
    router.service(ModelService, {
      listModels: ({ pageToken }) => ({
        models: [{ name: `model${pageToken}` }],
        nextPageToken: pageToken.length < 2 ? `${pageToken}x` : "",
      }),
    }),
  );
  await service.listen();
  const names: string[] = [];
  for await (const model of service.client().models()) {
    names.push(model.name);
  }
  assert.deepEqual(names, ["model", "modelx", "modelxx"]);
});

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Code as ConnectCode, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { Code, type CompletionStream, DragomanError, textOf } from "../src/index.js";
import { CompletionService } from "../src/v1.js";
import { delta, finished, retracted, serviceError, started } from "./answers.js";
import { FakeService } from "./fake_service.js";

let service: FakeService;
afterEach(() => service.close());

async function serve(completions: Partial<ServiceImpl<typeof CompletionService>>): Promise<void> {
  service = new FakeService((router) => router.service(CompletionService, completions));
  await service.listen();
}

/** The texts of a stream. The connection is cut after the first one, if that is wanted. */
async function read(stream: CompletionStream, { cut = false } = {}): Promise<string[]> {
  const texts: string[] = [];
  for await (const text of stream.text()) {
    if (texts.push(text) === 1 && cut) {
      service.cut();
    }
  }
  return texts;
}

/** Resolves when the caller has left. */
function leaving({ signal }: HandlerContext): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

test("a stream returns its text and the complete answer", async () => {
  await serve({
    async *streamCompletion() {
      yield* [started(1), delta(2, "one"), delta(3, " two"), finished(4, "one two")];
    },
  });
  const stream = service.client().stream("Count.");
  assert.deepEqual(await read(stream), ["one", " two"]);
  assert.equal(textOf(await stream.completion()), "one two");
  assert.equal(textOf(await service.client().stream("Count.").completion()), "one two");
});

test("a stream of an operation resumes after its last event", async () => {
  const cursors: bigint[] = [];
  await serve({
    async *streamCompletion(_, context) {
      yield* [started(1, "operations/a"), delta(2, "one")];
      await leaving(context);
    },
    async *attachCompletion({ name, afterSequence }) {
      assert.equal(name, "operations/a");
      cursors.push(afterSequence);
      if (cursors.length === 1) {
        throw serviceError(ConnectCode.Unavailable, "SHUTTING_DOWN");
      }
      yield* [delta(3, " two"), finished(4, "one two")];
    },
  });
  const stream = service.client().stream("Count.", { disconnectPolicy: "continue" });
  assert.deepEqual(await read(stream, { cut: true }), ["one", " two"]);
  assert.deepEqual(cursors, [2n, 2n]);
  assert.equal(stream.operation, "operations/a");
});

test("a stream that is no operation fails when it is cut", async () => {
  await serve({
    async *streamCompletion(_, context) {
      yield* [started(1), delta(2, "one")];
      await leaving(context);
    },
  });
  const stream = service.client().stream("Count.");
  await assert.rejects(read(stream, { cut: true }), { code: Code.UNAVAILABLE, message: /without `finished`/ });
  await assert.rejects(stream.completion(), { code: Code.UNAVAILABLE });
});

test("a stream that ends without `finished` is not an answer", async () => {
  await serve({
    async *streamCompletion() {
      yield started(1);
    },
  });
  await assert.rejects(read(service.client().stream("Count.")), { code: Code.UNAVAILABLE });
});

test("an error in mid-stream is that of `finished`", async () => {
  await serve({
    async *streamCompletion() {
      yield* [started(1), delta(2, "one")];
      throw serviceError(ConnectCode.Internal, "PLUGIN_FAILED");
    },
  });
  await assert.rejects(read(service.client().stream("Count.")), { code: Code.INTERNAL, callId: "c1" });
});

test("retracted text is reported, or is an error", async () => {
  await serve({
    async *streamCompletion() {
      yield* [started(1, "operations/a"), delta(2, "void"), retracted(3, 1)];
      yield* [started(4, "operations/a"), delta(5, "good"), finished(6, "good")];
    },
  });
  const client = service.client();
  let text = "";
  for await (const piece of client.stream("Hi").text({ onRetracted: () => (text = "") })) {
    text += piece;
  }
  assert.equal(text, "good");
  await assert.rejects(read(client.stream("Hi")), { code: Code.ABORTED });
});

test("leaving a loop ends the call", async () => {
  let ended: Promise<unknown> | undefined;
  await serve({
    async *streamCompletion(_, context) {
      ended = leaving(context);
      yield* [started(1), delta(2, "one")];
      await ended;
    },
  });
  const stream = service.client().stream("Count.");
  for await (const _ of stream.text()) {
    break;
  }
  await ended;
  await assert.rejects(stream.completion(), (error) => error instanceof DragomanError && error.code === Code.CANCELLED);
});

test("the time-out bounds a stream with all its calls", async () => {
  await serve({
    async *streamCompletion() {
      yield started(1, "operations/a");
      throw serviceError(ConnectCode.Unavailable, "SHUTTING_DOWN");
    },
    attachCompletion() {
      throw serviceError(ConnectCode.Unavailable, "SHUTTING_DOWN");
    },
  });
  const stream = service.client().stream("Count.", { requestId: "r", timeoutMs: 300 });
  await assert.rejects(read(stream), (error) => {
    // It passes between two calls or during one.
    return error instanceof DragomanError && [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED].includes(error.code);
  });
});

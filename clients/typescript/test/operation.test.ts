import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { anyPack, durationMs } from "@bufbuild/protobuf/wkt";
import { Code as ConnectCode, type ServiceImpl } from "@connectrpc/connect";
import { Code, ErrorReason, textOf } from "../src/index.js";
import { CompletionSchema, CompletionService, longrunning } from "../src/v1.js";
import { completionOf, errorStatus, serviceError } from "./answers.js";
import { FakeService } from "./fake_service.js";

const NAME = "operations/a";
const done = {
  name: NAME,
  done: true,
  result: { case: "response" as const, value: anyPack(CompletionSchema, completionOf("later")) },
};
let service: FakeService;
afterEach(() => service.close());

async function serve(
  operations: Partial<ServiceImpl<typeof longrunning.Operations>>,
  completions: Partial<ServiceImpl<typeof CompletionService>> = {},
): Promise<void> {
  service = new FakeService((router) =>
    router.service(CompletionService, completions).service(longrunning.Operations, operations),
  );
  await service.listen();
}

test("start always has a request_id, which its repetitions share", async () => {
  const ids: (string | undefined)[] = [];
  await serve(
    {},
    {
      startCompletion({ request, operationId }) {
        assert.equal(operationId, "mine");
        ids.push(request?.requestId);
        if (ids.length === 1) {
          throw serviceError(ConnectCode.Unavailable, "OVERLOADED");
        }
        return { name: NAME };
      },
    },
  );
  const operation = await service.client().start("Hello", { operationId: "mine" });
  assert.equal(operation.name, NAME);
  assert.equal(ids[0], ids[1]);
  assert.match(ids[0] ?? "", /^[0-9a-f]{32}$/);
});

test("wait goes on until the operation is done", async () => {
  let calls = 0;
  await serve({
    waitOperation({ name, timeout }) {
      assert.equal(name, NAME);
      assert.equal(timeout && durationMs(timeout), 25_000);
      calls++;
      if (calls === 2) {
        throw serviceError(ConnectCode.Unavailable, "SHUTTING_DOWN");
      }
      return calls < 4 ? { name: NAME } : done;
    },
  });
  assert.equal(textOf(await service.client().operation(NAME).result()), "later");
  assert.equal(calls, 4);
});

test("an operation that is not done in time goes on", async () => {
  await serve({ waitOperation: () => ({ name: NAME }) });
  const operation = service.client().operation(NAME);
  assert.equal((await operation.wait({ timeoutMs: 20 })).latest.done, false);
  await assert.rejects(operation.result({ timeoutMs: 20 }), { code: Code.DEADLINE_EXCEEDED, message: /not done yet/ });
});

test("the error of an operation has its details", async () => {
  const error = errorStatus(ConnectCode.Aborted, "WORKER_LOST");
  await serve({ waitOperation: () => ({ name: NAME, done: true, result: { case: "error", value: error } }) });
  await assert.rejects(service.client().operation(NAME).result(), {
    code: Code.ABORTED,
    reason: ErrorReason.WORKER_LOST,
    retryAfterMs: 1500,
    callId: "c1",
  });
});

test("delete is not repeated, cancel is", async () => {
  const calls: string[] = [];
  await serve({
    cancelOperation() {
      calls.push("cancel");
      if (calls.length === 1) {
        throw serviceError(ConnectCode.Unavailable, "OVERLOADED");
      }
      return {};
    },
    deleteOperation() {
      calls.push("delete");
      throw serviceError(ConnectCode.Unavailable, "OVERLOADED");
    },
  });
  const operation = service.client().operation(NAME);
  await operation.cancel();
  await assert.rejects(operation.delete(), { code: Code.UNAVAILABLE });
  assert.deepEqual(calls, ["cancel", "cancel", "delete"]);
});

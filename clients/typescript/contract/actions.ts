import { Code } from "../src/index.js";
import { isSame } from "./expect.js";
import { checkHealth } from "./health.js";
import type { Outcome, Run } from "./run.js";

type Action = (run: Run) => Promise<Outcome>;

async function complete(run: Run): Promise<Outcome> {
  const first = await run.complete();
  for (let count = 1; count < (run.options.times ?? 1); count++) {
    const { name } = await run.complete();
    if (name !== first.name) {
      throw new Error(`the same request had the answers ${first.name} and ${name}`);
    }
  }
  return { request: run.request, completion: first };
}

async function stream(run: Run): Promise<Outcome> {
  return run.read(run.stream());
}

async function operation(run: Run): Promise<Outcome> {
  const handle = await run.start();
  const { name } = handle;
  await handle.wait(run.limits);
  if (!name.startsWith("operations/") || handle.name !== name) {
    throw new Error(`the operation is named ${name}, then ${handle.name}`);
  }
  const completion = await handle.result(run.limits);
  if (run.options.delete) {
    await handle.delete(run.limits);
    const { error } = await run.failing(run.client.operation(name).wait(run.limits));
    if (error?.code !== Code.NOT_FOUND) {
      throw new Error(`waiting for the deleted operation failed with ${error}`);
    }
  }
  return { request: run.request, completion };
}

async function attach(run: Run): Promise<Outcome> {
  const handle = await run.start();
  if (!run.options.running) {
    await handle.wait(run.limits);
  }
  const outcome = await run.read(handle.events(0, run.limits));
  const after = run.options.after_sequence ?? 0;
  const later = await run.read(handle.events(after, run.limits));
  if (!isSame(later.events, outcome.events.slice(after))) {
    throw new Error(`other events after number ${after}`);
  }
  return outcome;
}

async function resume(run: Run): Promise<Outcome> {
  const { cut_after = 1, cuts = 1 } = run.options;
  return run.read(await run.via(), (deltas) =>
    deltas % cut_after === 0 && deltas / cut_after <= cuts ? "cut" : undefined,
  );
}

async function retracted(run: Run): Promise<Outcome> {
  const outcome = await run.read(await run.via(), (deltas) =>
    deltas === run.options.kill_after ? "kill-worker" : undefined,
  );
  if (!outcome.events.some(({ event }) => event.case === "retracted")) {
    throw new Error("nothing was retracted");
  }
  return outcome;
}

async function cancel(run: Run): Promise<Outcome> {
  const { via } = run.options;
  const way = via === "complete" ? cancelComplete : via === "stream" ? cancelStream : cancelOperation;
  const outcome = await way(run);
  await run.untilRunning(0);
  return outcome;
}

async function cancelComplete(run: Run): Promise<Outcome> {
  const controller = new AbortController();
  const outcome = run.failing(run.complete({ ...run.limits, signal: controller.signal }));
  await run.untilRunning(1);
  controller.abort();
  return outcome;
}

async function cancelStream(run: Run): Promise<Outcome> {
  let deltas = 0;
  for await (const _ of run.stream().text()) {
    if (++deltas === run.options.cancel_after) {
      await run.untilRunning(1);
      break;
    }
  }
  return { request: run.request };
}

async function cancelOperation(run: Run): Promise<Outcome> {
  const handle = await run.start();
  await run.untilRunning(1);
  await handle.cancel(run.limits);
  return run.failing(handle.result(run.limits));
}

async function deadline(run: Run): Promise<Outcome> {
  const outcome = await error(run);
  await run.untilRunning(0);
  return outcome;
}

async function error(run: Run): Promise<Outcome> {
  switch (run.options.via) {
    case "stream":
      return run.read(run.stream());
    case "operation":
      return run.failing((await run.start()).result(run.limits));
    case "start":
      return run.failing(run.start());
    case "count_tokens":
      return run.failing(run.client.countTokens(run.request, run.limits));
    case "tokenize":
      return run.failing(run.client.tokenize(run.request, run.limits));
    default:
      return run.failing(run.complete());
  }
}

async function blocked(run: Run): Promise<Outcome> {
  const { via } = run.options;
  return via === "stream" ? stream(run) : via === "operation" ? operation(run) : complete(run);
}

async function health(run: Run): Promise<Outcome> {
  return {
    request: run.request,
    health: await checkHealth(run.client.transport, run.options.service ?? "", run.limits),
  };
}

async function paging(run: Run): Promise<Outcome> {
  const models: string[] = [];
  for await (const model of run.client.models(run.limits)) {
    models.push(model.name);
  }
  return { request: run.request, models };
}

async function tokens(run: Run): Promise<Outcome> {
  const { text } = run.options;
  if (text === undefined) {
    const { inputTokens } = await run.client.countTokens(run.request, run.limits);
    return { request: run.request, inputTokens: Number(inputTokens) };
  }
  const found = await run.client.tokenize(text, { model: run.request.model, ...run.limits });
  return { request: run.request, tokens: found.map((token) => token.text) };
}

export const ACTIONS: ReadonlyMap<string, Action> = new Map(
  Object.entries({
    ...{ complete, stream, operation, attach, resume, retracted, cancel, deadline, error, blocked },
    ...{ health, paging, tokens },
  }),
);

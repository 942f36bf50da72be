// Runs the contract suite: `node main.js cases.json servers.json`. tests/clients/contract/README.md describes it.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ACTIONS } from "./actions.js";
import { type Case, clientOf, requestOf, type Servers } from "./cases.js";
import { check } from "./expect.js";
import { type Outcome, Run } from "./run.js";

const LIMIT_MS = 60_000;

async function run(entry: Case, servers: Servers, action: (run: Run) => Promise<Outcome>): Promise<void> {
  const request = requestOf(entry);
  using client = clientOf(entry, servers);
  const limit = new AbortController();
  const late = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`it took longer than ${LIMIT_MS} ms`);
  });
  late.catch(() => {});
  try {
    check(
      entry.expect,
      await Promise.race([action(new Run(client, request, entry.options ?? {}, servers.control)), late]),
    );
  } finally {
    limit.abort();
  }
}

async function report(entry: Case, servers: Servers): Promise<{ status: string; message: string }> {
  const action = ACTIONS.get(entry.action);
  if (!action) {
    return { status: "unsupported", message: `unknown action ${entry.action}` };
  }
  try {
    await run(entry, servers, action);
  } catch (error) {
    return { status: "failed", message: String(error) };
  }
  return { status: "passed", message: "" };
}

const [cases, servers] = process.argv.slice(-2).map((file) => JSON.parse(readFileSync(file, "utf8"))) as [
  Case[],
  Servers,
];
for (const entry of cases) {
  console.log(JSON.stringify({ case: entry.name, ...(await report(entry, servers)) }));
}

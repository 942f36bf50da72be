// Runs in a browser: tries the client on what the page's address names, a proxy for gRPC-Web or the service itself, and
// reports what it got.
import { Client, Code, DragomanError, ErrorReason, textOf } from "../src/web.js";

const asked = new URLSearchParams(location.search);
const client = new Client({
  baseUrl: asked.get("proxy") ?? asked.get("service") ?? "",
  protocol: asked.has("service") ? "connect" : "grpc-web",
  timeoutMs: 20_000,
});

async function stream(): Promise<string[]> {
  const texts: string[] = [];
  const answer = client.stream("one two three", { model: "echo", system: 'echo: {"delay": "20ms"}' });
  for await (const text of answer.text()) {
    texts.push(text);
    document.body.append(text);
  }
  return [...texts, textOf(await answer.completion())];
}

async function leave(): Promise<string> {
  const answer = client.stream("a b c", { model: "echo", system: 'echo: {"delay": "30s"}' });
  for await (const text of answer.text()) {
    return text;
  }
  return "";
}

async function operation(): Promise<string[]> {
  const started = await client.start("later", { model: "echo" });
  const texts = [textOf(await started.result()), textOf(await started.events().completion())];
  await started.delete();
  return texts;
}

async function failure(call: Promise<unknown>): Promise<object> {
  try {
    await call;
  } catch (error) {
    if (error instanceof DragomanError) {
      const { code, reason, fields, callId } = error;
      return {
        code: Code[code],
        reason: ErrorReason[reason],
        fields: fields.map(({ field }) => field),
        id: callId !== "",
      };
    }
    throw error;
  }
  return {};
}

async function results(): Promise<object> {
  return {
    complete: textOf(await client.complete("Hello there!", { model: "echo" })),
    stream: await stream(),
    left: await leave(),
    operation: await operation(),
    invalid: await failure(client.complete("Hello", { model: "echo", temperature: -1 })),
    late: await failure(
      client.complete("Hi", { model: "echo", system: 'echo: {"first_delay": "30s"}', timeoutMs: 200 }),
    ),
    unreachable: await failure(new Client({ baseUrl: "http://127.0.0.1:1", timeoutMs: 100 }).complete("Hello")),
  };
}

const report = await results().catch((error: unknown) => ({ failed: String(error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });

// Calls a service's HTTP listener, whose address is the argument, with Connect's own clients; prints what it got.
import { createRegistry } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport as createNodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport } from "@connectrpc/connect-web";
import { CompletionService } from "../src/gen/dragoman/v1/completion_service_pb.js";
import { ModelService } from "../src/gen/dragoman/v1/model_service_pb.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  file_google_rpc_error_details,
} from "../src/gen/google/rpc/error_details_pb.js";
import { completionRequest } from "../src/request.js";
import { DragomanError, ErrorReason, textOf, Client as WebClient } from "../src/web.js";

const baseUrl = process.argv[2] ?? "";
const jsonOptions = { registry: createRegistry(file_google_rpc_error_details) };

async function failure(call: Promise<unknown>): Promise<object> {
  try {
    await call;
  } catch (raised) {
    const error = ConnectError.from(raised);
    const [info] = error.findDetails(ErrorInfoSchema);
    const fields = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
    return { code: Code[error.code], reason: info?.reason, fields: fields.map(({ field }) => field) };
  }
  return {};
}

async function textsOf(
  completions: Client<typeof CompletionService>,
  system: string,
  timeoutMs = 20_000,
): Promise<string[]> {
  const texts: string[] = [];
  const request = completionRequest("one two three", { model: "echo", system });
  for await (const { event } of completions.streamCompletion(request, { timeoutMs })) {
    if (event.case === "delta" && event.value.content.case === "text") {
      texts.push(event.value.content.value);
    }
  }
  return texts;
}

async function stubs(transport: Transport): Promise<object> {
  const completions = createClient(CompletionService, transport);
  const models = createClient(ModelService, transport);
  const invalid = { model: "echo", prompt: "x", generationConfig: { temperature: -1 } };
  return {
    complete: textOf(await completions.createCompletion({ model: "echo", prompt: "Hello there!" })),
    models: (await models.listModels({})).models.map(({ name }) => name),
    stream: await textsOf(completions, 'echo: {"delay": "20ms"}'),
    invalid: await failure(completions.createCompletion(invalid)),
    refused: await failure(textsOf(completions, 'echo: {"nothing": 1}')),
    broken: await failure(textsOf(completions, 'echo: {"fail_after": 1}')),
    late: await failure(textsOf(completions, 'echo: {"first_delay": "30s"}', 200)),
  };
}

async function client(): Promise<object> {
  const client = new WebClient({ baseUrl, protocol: "connect", timeoutMs: 20_000 });
  const started = await client.start("one two three", { model: "echo", system: 'echo: {"delay": "20ms"}' });
  const texts: string[] = [];
  for await (const text of started.events().text()) {
    texts.push(text);
  }
  const result = textOf(await started.result());
  const error = await client.complete("Hello", { model: "nobody" }).catch((raised: unknown) => raised);
  return { texts, result, reason: error instanceof DragomanError ? ErrorReason[error.reason] : String(error) };
}

console.log(
  JSON.stringify({
    binary: await stubs(createNodeTransport({ baseUrl, httpVersion: "1.1" })),
    json: await stubs(createNodeTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, jsonOptions })),
    web: await stubs(createWebTransport({ baseUrl, jsonOptions })),
    client: await client(),
  }),
);

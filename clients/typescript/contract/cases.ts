import { readFileSync } from "node:fs";
import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { Client } from "../src/index.js";
import { type CompletionRequest, CompletionRequestSchema } from "../src/v1.js";

/** An entry of cases.json. */
export interface Case {
  name: string;
  action: string;
  server: string;
  request?: JsonObject;
  options?: Options;
  expect: Record<string, unknown>;
}

export interface Options {
  after_sequence?: number;
  cancel_after?: number;
  cut_after?: number;
  cuts?: number;
  delete?: boolean;
  key?: string;
  kill_after?: number;
  repeat?: number;
  running?: boolean;
  service?: string;
  text?: string;
  timeout?: number;
  times?: number;
  via?: "complete" | "stream" | "events" | "operation" | "start" | "count_tokens" | "tokenize";
}

const OPTIONS: readonly (keyof Options)[] = [
  ...(["after_sequence", "cancel_after", "cut_after", "cuts", "delete", "key", "kill_after", "repeat"] as const),
  ...(["running", "service", "text", "timeout", "times", "via"] as const),
];

/** What servers.json holds. */
export interface Servers {
  control: string;
  [name: string]: string | { target: string; ca?: string; key?: string };
}

/** The request of a case as it is sent: with a request_id of its own and the text repeated. */
export function requestOf({ request: json, options = {} }: Case): CompletionRequest {
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name as keyof Options));
  if (unknown.length > 0) {
    throw new Error(`unknown options: ${unknown}`);
  }
  const request = json ? fromJson(CompletionRequestSchema, json) : create(CompletionRequestSchema);
  if (request.requestId) {
    request.requestId += `-${crypto.randomUUID()}`;
  }
  const content = request.messages.at(-1)?.parts[0]?.content;
  if (options.repeat !== undefined && content?.case === "text") {
    content.value = content.value.repeat(options.repeat);
  }
  return request;
}

/** A client of the server that a case names. */
export function clientOf({ server: name, options = {} }: Case, servers: Servers): Client {
  const server = servers[name];
  if (typeof server !== "object") {
    throw new Error(`unknown server ${name}`);
  }
  const tls = server.ca === undefined ? undefined : { ca: readFileSync(server.ca) };
  return new Client({ target: server.target, apiKey: options.key ?? server.key ?? "", tls });
}

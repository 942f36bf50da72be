import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DEFAULT_MODEL } from "./config.js";
import type { CallOptions } from "./connection.js";
import { type CompletionRequest, CompletionRequestSchema, DisconnectPolicy } from "./gen/dragoman/v1/completion_pb.js";
import { type StartCompletionRequest, StartCompletionRequestSchema } from "./gen/dragoman/v1/completion_service_pb.js";
import {
  GenerationConfigSchema,
  type ResponseFormat,
  ResponseFormatSchema,
} from "./gen/dragoman/v1/generation_config_pb.js";
import { type Message, MessageSchema, Role } from "./gen/dragoman/v1/message_pb.js";
import { ToolChoiceSchema, ToolSchema } from "./gen/dragoman/v1/tool_pb.js";

const ROLES = {
  system: Role.SYSTEM,
  developer: Role.DEVELOPER,
  user: Role.USER,
  assistant: Role.ASSISTANT,
  data: Role.DATA,
};
const POLICIES = { cancel: DisconnectPolicy.CANCEL, continue: DisconnectPolicy.CONTINUE };

/** One turn of a conversation: a role and a text, or a message in full. */
export type Turn = { role: keyof typeof ROLES; text: string } | MessageInitShape<typeof MessageSchema>;

/** The text of a user; or a conversation, oldest turn first; or a complete request. */
export type Prompt = string | readonly Turn[] | MessageInitShape<typeof CompletionRequestSchema>;

type ConfigInit = Partial<Omit<MessageInitShape<typeof GenerationConfigSchema>, "$typeName" | "$unknown" | "seed">>;

/** Options of a completion: the fields of `GenerationConfig`, and some of the other fields of the request. */
export type CompletionOptions = CallOptions &
  ConfigInit & {
    /** Name or alias of the model. Default: that of a complete request, else "local". */
    model?: string;
    /** Standing instructions: a system message in front of the others. */
    system?: string;
    seed?: number | bigint;
    /** JSON Schema to which the answer must conform, as an object or as text. */
    jsonSchema?: object | string;
    /** Tools that the model may ask the caller to run; `toolCallsOf` reads the calls. */
    tools?: MessageInitShape<typeof ToolSchema>[];
    toolChoice?: MessageInitShape<typeof ToolChoiceSchema>;
    /** Opaque id of the person or program on whose behalf the caller acts, preferably a hash. */
    endUser?: string;
    /** The caller's own labels, added to those of the request. */
    labels?: Record<string, string>;
    /** Idempotency key: the same request with the same key runs once, and all callers get its answer. */
    requestId?: string;
    /** Whether the completion continues as an operation if its caller leaves. Default: only with a `requestId`. */
    disconnectPolicy?: "cancel" | "continue";
  };

/** Options of a completion, and of the operation that carries it. */
export type StartOptions = CompletionOptions & {
  /** Last segment of the operation's name. Default: the service chooses one. */
  operationId?: string;
  /** Milliseconds that the answer is kept after the operation ends. Default: the service's setting (24 h). */
  ttlMs?: number;
  /** How many workers the operation may lose before it fails. Default: the service's setting (3). */
  maxAttempts?: number;
  /** Priority in the queue, from -100 to 100; higher values run first. Default: 0. */
  priority?: number;
};

/** The request for a prompt and options. Throws TypeError for an unknown option or role. */
export function completionRequest(prompt: Prompt, options: CompletionOptions): CompletionRequest {
  const { timeoutMs, signal, model, system, seed, jsonSchema, tools, toolChoice, ...others } = options;
  const { endUser, labels, requestId, disconnectPolicy, ...config } = others;
  const request = requestOf(prompt);
  request.model = model || request.model || DEFAULT_MODEL;
  if (system !== undefined) {
    request.messages.unshift(message("system", system));
  }
  request.tools = tools?.map((tool) => create(ToolSchema, tool)) ?? request.tools;
  request.toolChoice = toolChoice ? create(ToolChoiceSchema, toolChoice) : request.toolChoice;
  request.endUser = endUser ?? request.endUser;
  request.requestId = requestId ?? request.requestId;
  request.disconnectPolicy = disconnectPolicy ? POLICIES[disconnectPolicy] : request.disconnectPolicy;
  Object.assign(request.labels, labels);
  configure(request, {
    ...config,
    seed: seed === undefined ? undefined : BigInt(seed),
    responseFormat: jsonSchema === undefined ? config.responseFormat : jsonFormat(jsonSchema),
  });
  return request;
}

/** The request for an operation. It always has a request_id, so that it is safe to repeat. */
export function startRequest(prompt: Prompt, options: StartOptions): StartCompletionRequest {
  const { operationId, ttlMs, maxAttempts, priority, ...completion } = options;
  const request = completionRequest(prompt, completion);
  request.requestId ||= randomId();
  const ttl = ttlMs === undefined ? undefined : durationFromMs(ttlMs);
  return create(StartCompletionRequestSchema, { request, operationId, ttl, maxAttempts, priority });
}

function requestOf(prompt: Prompt): CompletionRequest {
  if (typeof prompt === "string") {
    return create(CompletionRequestSchema, { messages: [message("user", prompt)] });
  }
  if (isConversation(prompt)) {
    return create(CompletionRequestSchema, { messages: prompt.map(turnMessage) });
  }
  return clone(CompletionRequestSchema, create(CompletionRequestSchema, prompt)); // a caller's request stays as it is
}

function isConversation(prompt: Prompt): prompt is readonly Turn[] {
  return Array.isArray(prompt);
}

function turnMessage(turn: Turn): Message {
  return "text" in turn ? message(turn.role, turn.text) : create(MessageSchema, turn);
}

function message(role: keyof typeof ROLES, text: string): Message {
  if (!Object.hasOwn(ROLES, role)) {
    throw new TypeError(`Unknown role "${role}". Known roles: ${Object.keys(ROLES).join(", ")}.`);
  }
  return create(MessageSchema, { role: ROLES[role], parts: [{ content: { case: "text", value: text } }] });
}

function configure(request: CompletionRequest, settings: Record<string, unknown>): void {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const unknown = given.map(([name]) => name).filter((name) => !(name in GenerationConfigSchema.field));
  if (unknown.length > 0) {
    throw new TypeError(`Unknown option: ${unknown.join(", ")}.`);
  }
  if (given.length > 0) {
    const config = create(GenerationConfigSchema, Object.fromEntries(given));
    request.generationConfig ??= create(GenerationConfigSchema);
    for (const [name] of given) {
      Object.assign(request.generationConfig, { [name]: config[name as keyof typeof config] });
    }
  }
}

function jsonFormat(schema: object | string): ResponseFormat {
  const schemaJson = typeof schema === "string" ? schema : JSON.stringify(schema);
  return create(ResponseFormatSchema, { format: { case: "jsonSchema", value: { schemaJson } } });
}

// crypto.randomUUID is missing in pages that were not loaded over TLS.
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "./gen/dragoman/v1/completion_service_pb.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import type { Status } from "./gen/google/rpc/status_pb.js";

const DOMAIN = "dragoman";

/** An invalid field: its path in the request, and what is allowed there. */
export interface FieldViolation {
  field: string;
  description: string;
}

/** Everything about an error besides its code and message. */
export interface ErrorDetails {
  reason?: ErrorReason;
  fields?: FieldViolation[];
  retryAfterMs?: number;
  metadata?: Record<string, string>;
  connectionLost?: boolean;
  pushbackMs?: number;
  cause?: unknown;
}

/** A call or an operation failed. */
export class DragomanError extends Error {
  override readonly name = "DragomanError";
  /** The gRPC status code; `Code[error.code]` is its name. */
  readonly code: Code;
  /** What went wrong; UNSPECIFIED if the failure did not come from the service, for example if it cannot be reached. */
  readonly reason: ErrorReason;
  /** The invalid fields of the request. */
  readonly fields: readonly FieldViolation[];
  /** Milliseconds to wait before a retry; undefined if the service did not say. */
  readonly retryAfterMs: number | undefined;
  /** `call_id`, `retryable` and, where they apply, `model`, `provider` and `upstream_status`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether the connection failed rather than the call. */
  readonly connectionLost: boolean;
  /** Milliseconds after which the server wants the call repeated; negative: never. @internal */
  readonly pushbackMs: number | undefined;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.reason = details.reason ?? ErrorReason.UNSPECIFIED;
    this.fields = details.fields ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.metadata = details.metadata ?? {};
    this.connectionLost = details.connectionLost ?? false;
    this.pushbackMs = details.pushbackMs;
  }

  /** Id of the failed call in the service's log; empty if the failure did not come from the service. */
  get callId(): string {
    return this.metadata.call_id ?? "";
  }

  /** Whether the same call may succeed a moment later. */
  get transient(): boolean {
    return this.connectionLost || (this.code === Code.UNAVAILABLE && this.metadata.retryable !== "false");
  }
}

/** The error that a google.rpc.Status describes, such as the `error` of an operation. */
export function errorFromStatus(status: Status): DragomanError {
  return serviceError(status.code as Code, status.message, status.details.map(unpackDetail));
}

/** The error of a call to `target`. `signal` is the caller's own: if it has fired, the caller ended the call. */
export function errorFromCall(raised: unknown, target: string, signal?: AbortSignal): DragomanError {
  if (raised instanceof DragomanError) {
    return raised;
  }
  if (signal?.aborted) {
    return abortError(signal);
  }
  const error = ConnectError.from(raised);
  const details = [ErrorInfoSchema, RetryInfoSchema, BadRequestSchema].flatMap((schema) => error.findDetails(schema));
  const pushbackMs = pushbackOf(error);
  if (details.some((detail) => detail.$typeName === ErrorInfoSchema.typeName)) {
    return serviceError(error.code as number as Code, error.rawMessage, details, pushbackMs, error);
  }
  const code = codeOf(error);
  const text = rootMessage(error).replace(/[.!]+$/, "");
  return new DragomanError(code, (MESSAGES[code] ?? answered)(target, text), {
    connectionLost: LOST.has(code),
    pushbackMs,
    cause: error,
  });
}

/** The error of a call that the caller ended. */
export function abortError(signal: AbortSignal): DragomanError {
  const cause: unknown = signal.reason;
  const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
  return isTimeout
    ? new DragomanError(Code.DEADLINE_EXCEEDED, "The signal's time-out passed.", { cause })
    : new DragomanError(Code.CANCELLED, "The caller cancelled the call.", { cause });
}

/** The error of a stream or of an operation's events that ended before `finished`. */
export function interruptedError(operation: string, last: bigint, details: string, cause?: unknown): DragomanError {
  const message = operation
    ? `The events of ${operation} ended after number ${last}: ${details}. The operation continues; attach again after that number.`
    : `The stream ended without \`finished\`: ${details}. The answer is incomplete; send the request again.`;
  return new DragomanError(Code.UNAVAILABLE, message, { connectionLost: true, cause });
}

// Proxies end streams with INTERNAL, and clients of HTTP make UNKNOWN of what is not gRPC. The service attaches its
// reason to each of its errors.
const LOST: ReadonlySet<Code> = new Set([Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN]);

const answered = (target: string, text: string) => `${target} answered: ${text}.`;
const MESSAGES: Partial<Record<Code, (target: string, text: string) => string>> = {
  [Code.UNAVAILABLE]: (target, text) =>
    `Cannot reach ${target}: ${text}. Check that the service runs there, that the address is right, and that both sides use TLS or neither does.`,
  [Code.DEADLINE_EXCEEDED]: (target, text) =>
    `No answer from ${target} in time: ${text}. Allow more time, or check that the service can be reached.`,
  [Code.UNIMPLEMENTED]: (target, text) =>
    `${target} does not have this method: ${text}. Check that it runs a version of the service that fits this client.`,
};

type Detail = ErrorInfo | RetryInfo | BadRequest | undefined;

function serviceError(
  code: Code,
  message: string,
  details: readonly Detail[],
  pushbackMs?: number,
  cause?: unknown,
): DragomanError {
  const result: ErrorDetails = { pushbackMs, cause };
  for (const detail of details) {
    if (detail?.$typeName === "google.rpc.ErrorInfo" && detail.domain === DOMAIN) {
      result.reason = ErrorReason[detail.reason as keyof typeof ErrorReason];
      result.metadata = detail.metadata;
    } else if (detail?.$typeName === "google.rpc.RetryInfo" && detail.retryDelay) {
      result.retryAfterMs = Number(detail.retryDelay.seconds) * 1000 + detail.retryDelay.nanos / 1e6;
    } else if (detail?.$typeName === "google.rpc.BadRequest") {
      result.fields = detail.fieldViolations.map(({ field, description }) => ({ field, description }));
    }
  }
  return new DragomanError(code in Code ? code : Code.UNKNOWN, message, result);
}

function unpackDetail(any: Any): Detail {
  try {
    return anyUnpack(any, ErrorInfoSchema) ?? anyUnpack(any, RetryInfoSchema) ?? anyUnpack(any, BadRequestSchema);
  } catch {
    return undefined; // a proxy may truncate details; code and message are still useful without them
  }
}

/** The status code of an error without details; what the network did is UNAVAILABLE, as gRPC has it. */
function codeOf(error: ConnectError): Code {
  const code = error.code as number as Code;
  // The caller did not cancel, and the service gives its reason with ABORTED: so the connection was reset.
  const isReset = code === Code.CANCELLED || code === Code.ABORTED;
  return isReset || causes(error).some(isNetworkError) ? Code.UNAVAILABLE : code;
}

function isNetworkError(cause: Error): boolean {
  // Node's network errors have a code such as ECONNREFUSED; fetch raises TypeError for them.
  return cause instanceof TypeError || ("code" in cause && typeof cause.code === "string");
}

function causes(error: Error): Error[] {
  const found: Error[] = [];
  for (let cause = error.cause; cause instanceof Error && !found.includes(cause); cause = cause.cause) {
    found.push(cause);
  }
  return found;
}

function rootMessage(error: ConnectError): string {
  return causes(error).at(-1)?.message || error.rawMessage || "no details";
}

function pushbackOf(error: ConnectError): number | undefined {
  const text = error.metadata.get("grpc-retry-pushback-ms");
  if (text === null) {
    return undefined;
  }
  return /^\d+$/.test(text) ? Number(text) : -1;
}

import {
  type Client,
  type CallOptions as ConnectOptions,
  createClient,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import {
  DEFAULT_RECONNECT_TIMEOUT_MS,
  DEFAULT_TIMEOUT_MS,
  LONGEST_WAIT_MS,
  type MethodConfig,
  QUICK,
  RETRY_POLICY,
} from "./config.js";
import { abortError, type DragomanError, errorFromCall } from "./errors.js";
import { CompletionService } from "./gen/dragoman/v1/completion_service_pb.js";
import { ModelService } from "./gen/dragoman/v1/model_service_pb.js";
import { Operations } from "./gen/google/longrunning/operations_pb.js";
import { Code } from "./gen/google/rpc/code_pb.js";

const MOST_DOUBLINGS = 30; // of a delay, which is the longest one by then

/** Limits of one call, or of the calls that one method makes together. */
export interface CallOptions {
  /** Milliseconds that the call may take; the service receives it as the deadline. */
  timeoutMs?: number;
  /** Cancels the call. A signal of `AbortSignal.timeout` makes it fail with DEADLINE_EXCEEDED instead of CANCELLED. */
  signal?: AbortSignal;
}

/** Settings that do not depend on the transport. */
export interface ConnectionOptions {
  /** Sent with each call. Without TLS, the network can read it. */
  apiKey?: string;
  /** Milliseconds that a call may take unless it sets its own `timeoutMs`. Default: 600,000. */
  timeoutMs?: number;
  /** Milliseconds without contact after which reading or awaiting an operation fails. Default: 120,000. */
  reconnectTimeoutMs?: number;
}

/** Stubs with settings. Calls raise only `DragomanError`. */
export class Connection {
  readonly completions: Client<typeof CompletionService>;
  readonly models: Client<typeof ModelService>;
  readonly operations: Client<typeof Operations>;
  readonly timeoutMs: number;
  readonly reconnectTimeoutMs: number;
  readonly longestWaitMs = LONGEST_WAIT_MS;
  readonly #closed = new AbortController();

  constructor(
    readonly target: string,
    readonly transport: Transport,
    options: ConnectionOptions,
    readonly disconnect: () => void = () => {},
  ) {
    this.completions = createClient(CompletionService, transport);
    this.models = createClient(ModelService, transport);
    this.operations = createClient(Operations, transport);
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.reconnectTimeoutMs = options.reconnectTimeoutMs ?? DEFAULT_RECONNECT_TIMEOUT_MS;
  }

  /** Makes a unary call, and repeats it while the service is unavailable, if its methods may be repeated. */
  async call<T>(
    invoke: (options: ConnectOptions) => Promise<T>,
    { timeoutMs = this.timeoutMs, signal }: CallOptions = {},
    config: MethodConfig = QUICK,
  ): Promise<T> {
    const end = performance.now() + Math.min(timeoutMs, config.timeoutMs);
    const bound = this.signal(signal);
    for (let attempt = 1; ; attempt++) {
      const left = end - performance.now();
      try {
        return await invoke({ timeoutMs: deadlineMs(left), signal: bound });
      } catch (raised) {
        const error = errorFromCall(raised, this.target, bound);
        const delay = config.repeatable ? retryDelayMs(error, attempt) : undefined;
        if (delay === undefined || performance.now() + delay >= end) {
          throw error;
        }
        await sleep(delay, bound);
      }
    }
  }

  /** A signal that fires with each of the given ones, and when the client is closed. */
  signal(...signals: (AbortSignal | undefined)[]): AbortSignal {
    return AbortSignal.any([this.#closed.signal, ...signals.filter((signal) => signal !== undefined)]);
  }

  close(): void {
    this.#closed.abort(new Error("The client was closed."));
    this.disconnect();
  }
}

/** Sends the API key as metadata. Throws TypeError if it has characters that no API key contains. */
export function authorization(apiKey: string | undefined): Interceptor[] {
  const key = apiKey?.trim();
  if (!key) {
    return [];
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new TypeError("The API key has characters that no API key contains. Copy the complete key and nothing else.");
  }
  return [
    (next) => (request) => {
      request.header.set("authorization", `Bearer ${key}`);
      return next(request);
    },
  ];
}

/** The time-out of a call as the header grpc-timeout can express it: whole milliseconds, of at most eight digits. */
export function deadlineMs(leftMs: number): number {
  return Math.min(Math.ceil(leftMs), 99_999_999);
}

/** Milliseconds until the next attempt, after that many that failed; undefined if there is none. */
export function retryDelayMs(error: DragomanError, attempts: number): number | undefined {
  if (error.code !== Code.UNAVAILABLE || attempts >= RETRY_POLICY.maxAttempts || (error.pushbackMs ?? 0) < 0) {
    return undefined;
  }
  return error.pushbackMs ?? backoffMs(RETRY_POLICY.initialBackoffMs, attempts - 1);
}

/** A random time that grows with the number of failures. */
export function backoffMs(firstMs: number, failures: number): number {
  const grown = firstMs * RETRY_POLICY.backoffMultiplier ** Math.min(failures, MOST_DOUBLINGS);
  return Math.min(grown, RETRY_POLICY.maxBackoffMs) * (0.5 + Math.random() / 2);
}

/** Resolves after that many milliseconds. Rejects when the signal fires. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(abortError(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) {
      stop();
    } else {
      signal.addEventListener("abort", stop, { once: true });
    }
  });
}

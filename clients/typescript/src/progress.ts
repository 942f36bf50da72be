import { create } from "@bufbuild/protobuf";
import { ANSWER } from "./config.js";
import { backoffMs, type CallOptions, type Connection, retryDelayMs } from "./connection.js";
import { type DragomanError, errorFromCall, errorFromStatus, interruptedError } from "./errors.js";
import type { CompletionEvent, Finished } from "./gen/dragoman/v1/completion_event_pb.js";
import {
  type AttachCompletionRequest,
  AttachCompletionRequestSchema,
  ErrorReason,
} from "./gen/dragoman/v1/completion_service_pb.js";
import { Code } from "./gen/google/rpc/code_pb.js";

const RECONNECT_DELAY_MS = 100; // before the first attempt
const STEADY_MS = 30_000; // a call that lasted longer had reached the service, even if it delivered no event

/** What follows a call that has ended: the next one, after a delay. `attach` false means the first request again. */
export interface NextCall {
  delayMs: number;
  attach: boolean;
}

/**
 * Records the events of a completion and decides what follows when a call ends. Only a completion that is an operation
 * can be resumed: the one named `operation`, or the one that `started` names. This class does no I/O.
 */
export class StreamProgress {
  #last: bigint;
  #finished: Finished | undefined;
  #hasEvents = false;
  #attempts = 0;
  #failures = 0;
  #callBegan = performance.now();
  #lastContact = this.#callBegan;
  readonly #end: number;
  operation: string;

  /** Without `limits.timeoutMs`, there is no limit. */
  constructor(
    private readonly connection: Connection,
    private readonly limits: CallOptions,
    operation = "",
    afterSequence = 0n,
  ) {
    this.operation = operation;
    this.#last = afterSequence;
    this.#end = limits.timeoutMs === undefined ? Number.POSITIVE_INFINITY : this.#callBegan + limits.timeoutMs;
  }

  /** The request for the events after the last one recorded. */
  attachRequest(): AttachCompletionRequest {
    return create(AttachCompletionRequestSchema, { name: this.operation, afterSequence: this.#last });
  }

  /** The time-out in milliseconds of the call that begins now. */
  beginCall(): number {
    this.#attempts++;
    this.#callBegan = performance.now();
    const left = this.#end === Number.POSITIVE_INFINITY ? this.connection.timeoutMs : this.#end - this.#callBegan;
    return Math.min(left, ANSWER.timeoutMs);
  }

  record(event: CompletionEvent): void {
    this.#hasEvents = true;
    this.#lastContact = performance.now();
    this.#failures = 0;
    this.#last = event.sequence;
    if (event.event.case === "started") {
      this.operation = event.event.value.operation || this.operation;
    } else if (event.event.case === "finished") {
      this.#finished = event.event.value;
    }
  }

  /**
   * What follows a call that ended with `raised`; undefined if the completion has ended. Throws the error of the
   * completion, or that of the call if another call cannot help.
   */
  next(raised: unknown): NextCall | undefined {
    const outcome = this.#finished?.outcome;
    if (outcome?.case === "completion") {
      return undefined;
    }
    if (outcome?.case === "error") {
      throw errorFromStatus(outcome.value);
    }
    const error = this.#errorOf(raised);
    const repeat = this.#hasEvents ? undefined : retryDelayMs(error, this.#attempts);
    if (repeat !== undefined && performance.now() + repeat < this.#end) {
      return { delayMs: repeat, attach: this.operation !== "" };
    }
    if (!this.#canResume(error)) {
      throw error;
    }
    const delay = Math.max(backoffMs(RECONNECT_DELAY_MS, this.#failures++), error.retryAfterMs ?? 0);
    return { delayMs: Math.max(0, Math.min(delay, this.#end - performance.now())), attach: true };
  }

  #errorOf(raised: unknown): DragomanError {
    const { target } = this.connection;
    const error = raised === undefined ? undefined : errorFromCall(raised, target, this.limits.signal);
    if (error && !(this.#hasEvents && error.connectionLost)) {
      return error;
    }
    const cause = error?.cause instanceof Error ? error.cause.message : "no details";
    const details = error ? `the connection to ${target} was lost, ${cause}` : `${target} closed it`;
    return interruptedError(this.operation, this.#last, details, error?.cause);
  }

  /** Whether only the call ended, and neither the completion, the caller's time nor the time for reconnecting. */
  #canResume(error: DragomanError): boolean {
    const now = performance.now();
    const isTimeUp = error.code === Code.DEADLINE_EXCEEDED && !this.limits.signal?.aborted;
    const answered = isTimeUp && error.reason !== ErrorReason.UNSPECIFIED;
    if (answered || now - this.#callBegan > STEADY_MS) {
      this.#lastContact = now;
      this.#failures = 0;
    }
    const givesUp = Math.min(this.#end, this.#lastContact + this.connection.reconnectTimeoutMs);
    return this.operation !== "" && (isTimeUp || error.transient) && now < givesUp;
  }
}

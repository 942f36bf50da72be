import { create } from "@bufbuild/protobuf";
import { anyUnpack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { ONCE } from "./config.js";
import { backoffMs, type CallOptions, type Connection, sleep } from "./connection.js";
import { DragomanError, errorFromStatus } from "./errors.js";
import { type Completion, CompletionSchema } from "./gen/dragoman/v1/completion_pb.js";
import {
  type CompletionOperationMetadata,
  CompletionOperationMetadataSchema,
  ErrorReason,
  CompletionOperationMetadata_State as State,
} from "./gen/dragoman/v1/completion_service_pb.js";
import { OperationSchema, type Operation as OperationState } from "./gen/google/longrunning/operations_pb.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import { StreamProgress } from "./progress.js";
import { CompletionStream } from "./stream.js";

const SHORT_WAIT_MS = 2_000; // of a WaitOperation that no proxy takes for a dead one
const SLACK_MS = 10_000; // that the answer to a WaitOperation may be late
const RECONNECT_DELAY_MS = 100;

/** A long-running operation. Any holder of the same API key can make a handle of its name. */
export class Operation {
  readonly #connection: Connection;
  /** The newest state that was read; reading it makes no call. */
  latest: OperationState;

  /** @internal */
  constructor(connection: Connection, latest: OperationState | string) {
    this.#connection = connection;
    this.latest = typeof latest === "string" ? create(OperationSchema, { name: latest }) : latest;
  }

  /** `operations/` followed by an id. */
  get name(): string {
    return this.latest.name;
  }

  /** Progress and properties as of `latest`; undefined if the state was never read. */
  get metadata(): CompletionOperationMetadata | undefined {
    return this.latest.metadata && anyUnpack(this.latest.metadata, CompletionOperationMetadataSchema);
  }

  /** Reads the newest state, unless the final one is known already, which never changes. */
  async refresh(options?: CallOptions): Promise<this> {
    if (!this.latest.done) {
      const request = { name: this.name };
      this.latest = await this.#connection.call(
        (limits) => this.#connection.operations.getOperation(request, limits),
        options,
      );
    }
    return this;
  }

  /**
   * Waits until the operation is done or `timeoutMs` have passed, which is no error: see `latest`. Without `timeoutMs`
   * there is no limit. Waiting continues while the service restarts, up to the client's `reconnectTimeoutMs`.
   */
  async wait({ timeoutMs = Number.POSITIVE_INFINITY, signal }: CallOptions = {}): Promise<this> {
    const wait = new Wait(this.#connection, timeoutMs);
    const bound = this.#connection.signal(signal);
    while (!this.latest.done) {
      const waitMs = wait.nextCallMs();
      const request = { name: this.name, timeout: durationFromMs(waitMs) };
      try {
        this.latest = await this.#connection.call(
          (limits) => this.#connection.operations.waitOperation(request, limits),
          { timeoutMs: waitMs + SLACK_MS, signal },
        );
      } catch (error) {
        await sleep(wait.nextDelayMs(error as DragomanError, bound), bound);
        continue;
      }
      if (wait.isOver()) {
        break;
      }
    }
    return this;
  }

  /** Waits for the answer. Fails with the operation's error, or with DEADLINE_EXCEEDED after `timeoutMs`. */
  async result(options?: CallOptions): Promise<Completion> {
    const { done, result } = (await this.wait(options)).latest;
    if (!done) {
      const state = State[this.metadata?.state ?? State.UNSPECIFIED];
      throw new DragomanError(
        Code.DEADLINE_EXCEEDED,
        `${this.name} is not done yet (${state}). It continues: wait again, or cancel it.`,
      );
    }
    if (result.case === "error") {
      throw errorFromStatus(result.value);
    }
    const completion = result.case === "response" ? anyUnpack(result.value, CompletionSchema) : undefined;
    if (!completion) {
      throw new DragomanError(Code.INTERNAL, `${this.name} is done and holds no completion.`);
    }
    return completion;
  }

  /**
   * The stored events after number `afterSequence`, then new ones as they arrive. Without `timeoutMs` there is no
   * limit. Reading resumes after the last event if the connection or the server is lost; leaving does not stop the
   * operation.
   */
  events(afterSequence: bigint | number = 0n, options: CallOptions = {}): CompletionStream {
    const progress = new StreamProgress(this.#connection, options, this.name, BigInt(afterSequence));
    return new CompletionStream(this.#connection, progress, options);
  }

  /** Asks the service to stop the operation, which then ends as CANCELLED unless it ended first. */
  async cancel(options?: CallOptions): Promise<void> {
    const request = { name: this.name };
    await this.#connection.call((limits) => this.#connection.operations.cancelOperation(request, limits), options);
  }

  /** Deletes the operation and its answer; if it runs, it is stopped. */
  async delete(options?: CallOptions): Promise<void> {
    const { operations } = this.#connection;
    await this.#connection.call((limits) => operations.deleteOperation({ name: this.name }, limits), options, ONCE);
  }
}

/** Decides which calls wait for an operation, and what follows one that failed. At least one call is made. */
class Wait {
  #lastContact = performance.now();
  #callBegan = this.#lastContact;
  #longestMs: number;
  #failures = 0;
  readonly #end: number;

  constructor(
    private readonly connection: Connection,
    timeoutMs: number,
  ) {
    this.#longestMs = connection.longestWaitMs;
    this.#end = this.#lastContact + timeoutMs;
  }

  nextCallMs(): number {
    this.#callBegan = performance.now();
    return Math.round(Math.max(0, Math.min(this.#end - this.#callBegan, this.#longestMs)));
  }

  /** Whether no further call follows one that succeeded. */
  isOver(): boolean {
    this.#lastContact = performance.now();
    this.#failures = 0;
    return this.#end <= this.#lastContact;
  }

  /** Milliseconds until the next call, after one that failed. Throws `error` if another call cannot help. */
  nextDelayMs(error: DragomanError, signal: AbortSignal): number {
    const now = performance.now();
    const isSilent = error.code === Code.DEADLINE_EXCEEDED && error.reason === ErrorReason.UNSPECIFIED;
    // A proxy may have ended a long one.
    this.#longestMs = Math.min(this.#longestMs, Math.max((now - this.#callBegan) / 2, SHORT_WAIT_MS));
    const givesUp = Math.min(this.#end, this.#lastContact + this.connection.reconnectTimeoutMs);
    if (signal.aborted || !(error.transient || isSilent) || now >= givesUp) {
      throw error;
    }
    const delay = Math.max(backoffMs(RECONNECT_DELAY_MS, this.#failures++), error.retryAfterMs ?? 0);
    return Math.max(0, Math.min(delay, this.#end - now));
  }
}

import type { CallOptions as ConnectOptions } from "@connectrpc/connect";
import { type CallOptions, type Connection, deadlineMs, sleep } from "./connection.js";
import { DragomanError } from "./errors.js";
import type { CompletionEvent, Retracted } from "./gen/dragoman/v1/completion_event_pb.js";
import type { Completion } from "./gen/dragoman/v1/completion_pb.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import type { StreamProgress } from "./progress.js";

type OpenCall = (options: ConnectOptions) => AsyncIterable<CompletionEvent>;

/** How `CompletionStream.text` treats text that the service takes back. */
export interface TextOptions {
  /** Called when the text so far is void, because a worker was lost; discard it, the text then begins anew. */
  onRetracted?: (retracted: Retracted) => void;
}

/**
 * The events of a completion, which arrive while the model generates the answer. The call begins when the stream is
 * first read, and it can be read once: by iterating over it, by `text`, or by `completion` alone. Leaving a loop early
 * ends the call.
 */
export class CompletionStream implements AsyncIterable<CompletionEvent> {
  readonly #events: AsyncGenerator<CompletionEvent, void, undefined>;
  readonly #progress: StreamProgress;
  #completion: Completion | undefined;
  #error: unknown;

  /** Without `open`, the stream attaches to the operation of `progress`. @internal */
  constructor(connection: Connection, progress: StreamProgress, limits: CallOptions, open?: OpenCall) {
    this.#progress = progress;
    this.#events = this.#record(readEvents(connection, progress, limits, open));
  }

  /** Name of the operation that carries the completion, once `started` has arrived; empty if there is none. */
  get operation(): string {
    return this.#progress.operation;
  }

  [Symbol.asyncIterator](): AsyncGenerator<CompletionEvent, void, undefined> {
    return this.#events;
  }

  /**
   * The fragments of the first choice's text. Fails with ABORTED if text that was already returned is retracted and
   * there is no `onRetracted`; only completions that are operations can be retracted.
   */
  async *text({ onRetracted }: TextOptions = {}): AsyncGenerator<string, void, undefined> {
    let hasText = false;
    for await (const { event } of this.#events) {
      if (event.case === "delta" && event.value.choiceIndex === 0 && event.value.content.case === "text") {
        hasText = true;
        yield event.value.content.value;
      } else if (event.case === "retracted") {
        if (hasText && !onRetracted) {
          throw retractedError(event.value);
        }
        hasText = false;
        onRetracted?.(event.value);
      }
    }
  }

  /** Reads to the end and returns the complete answer, the same one that `Client.complete` returns. */
  async completion(): Promise<Completion> {
    for await (const _ of this.#events) {
      // The answer is in the last event.
    }
    if (!this.#completion) {
      throw this.#error ?? new DragomanError(Code.CANCELLED, "The stream was left before its end.");
    }
    return this.#completion;
  }

  async *#record(events: AsyncIterable<CompletionEvent>): AsyncGenerator<CompletionEvent, void, undefined> {
    try {
      for await (const event of events) {
        if (event.event.case === "finished" && event.event.value.outcome.case === "completion") {
          this.#completion = event.event.value.outcome.value;
        }
        yield event;
      }
    } catch (error) {
      this.#error = error;
      throw error;
    }
  }
}

function retractedError(retracted: Retracted): DragomanError {
  const message = `The text so far is void: ${retracted.reason}. Pass onRetracted to go on with the new text.`;
  return new DragomanError(Code.ABORTED, message);
}

// Each round is one call: the first one, then AttachCompletion after every interruption. `finally` also runs if the
// caller leaves at `yield`, which has to reach the service as a cancellation.
async function* readEvents(
  connection: Connection,
  progress: StreamProgress,
  limits: CallOptions,
  open?: OpenCall,
): AsyncGenerator<CompletionEvent, void, undefined> {
  const attach: OpenCall = (options) => connection.completions.attachCompletion(progress.attachRequest(), options);
  let call = open ?? attach;
  for (;;) {
    const left = new AbortController();
    const signal = connection.signal(limits.signal, left.signal);
    const events = call({ timeoutMs: deadlineMs(progress.beginCall()), signal })[Symbol.asyncIterator]();
    let raised: unknown;
    try {
      for (let item = await events.next(); !item.done; item = await events.next()) {
        progress.record(item.value);
        yield item.value;
      }
    } catch (error) {
      raised = error;
    } finally {
      left.abort();
      void drain(events);
    }
    const next = progress.next(raised);
    if (!next) {
      return;
    }
    await sleep(next.delayMs, connection.signal(limits.signal));
    call = next.attach ? attach : (open ?? attach);
  }
}

// Connect stops the timer of the deadline at the end of a stream only, and that timer keeps the process alive.
async function drain(events: AsyncIterator<unknown>): Promise<void> {
  try {
    while (!(await events.next()).done) {}
  } catch {
    // The call has been cancelled.
  }
}

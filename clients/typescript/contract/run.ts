import { setTimeout as sleep } from "node:timers/promises";
import { type CallOptions, type Client, type CompletionStream, DragomanError, type Operation } from "../src/index.js";
import type { Completion, CompletionEvent, CompletionRequest } from "../src/v1.js";
import type { Options } from "./cases.js";

const TIMEOUT_MS = 60_000;
const STOPS_WITHIN_MS = 5_000;

/** What an action returned. */
export interface Outcome {
  request: CompletionRequest;
  completion?: Completion;
  events?: CompletionEvent[];
  error?: DragomanError;
  health?: string;
  models?: string[];
  inputTokens?: number;
  tokens?: string[];
}

/** One case, and what its actions need. */
export class Run {
  readonly limits: CallOptions;

  constructor(
    readonly client: Client,
    readonly request: CompletionRequest,
    readonly options: Options,
    readonly control: string,
  ) {
    this.limits = { timeoutMs: options.timeout === undefined ? TIMEOUT_MS : options.timeout * 1000 };
  }

  complete(limits: CallOptions = this.limits): Promise<Completion> {
    return this.client.complete(this.request, limits);
  }

  stream(): CompletionStream {
    return this.client.stream(this.request, this.limits);
  }

  start(): Promise<Operation> {
    return this.client.start(this.request, this.limits);
  }

  /** A stream, or the events of an operation that is started. */
  async via(): Promise<CompletionStream> {
    return this.options.via === "stream" ? this.stream() : (await this.start()).events(0, this.limits);
  }

  async post(what: string): Promise<void> {
    const answer = await fetch(`${this.control}/${what}`, { method: "POST" });
    if (!answer.ok) {
      throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
    }
  }

  /** Resolves when the number of completions at providers is `wanted`, or at least 1 if that is 1. */
  async untilRunning(wanted: 0 | 1): Promise<void> {
    const end = performance.now() + STOPS_WITHIN_MS;
    for (;;) {
      const number = Number(await (await fetch(`${this.control}/running`)).text());
      if (wanted === 0 ? number === 0 : number >= 1) {
        return;
      }
      if (performance.now() > end) {
        throw new Error(`${number} completions run after ${STOPS_WITHIN_MS} ms`);
      }
      await sleep(10);
    }
  }

  /** Reads to the end. After each text delta, `after` may name what is to be posted; it gets the number so far. */
  async read(stream: CompletionStream, after: (deltas: number) => string | undefined = () => undefined) {
    const outcome: Outcome & { events: CompletionEvent[] } = { request: this.request, events: [] };
    let deltas = 0;
    try {
      for await (const event of stream) {
        outcome.events.push(event);
        const what = textOfDelta(event) ? after(++deltas) : undefined;
        if (what) {
          await this.post(what);
        }
      }
      outcome.completion = await stream.completion();
    } catch (error) {
      outcome.error = failure(error);
    }
    return outcome;
  }

  /** The outcome of a call that has to fail. */
  async failing(call: Promise<unknown>): Promise<Outcome> {
    try {
      await call;
    } catch (error) {
      return { request: this.request, error: failure(error) };
    }
    throw new Error("it did not fail");
  }
}

/** The text of the first choice that an event appends; empty if it appends none. */
export function textOfDelta({ event }: CompletionEvent): string {
  const isText = event.case === "delta" && event.value.choiceIndex === 0 && event.value.content.case === "text";
  return isText ? (event.value.content.value as string) : "";
}

function failure(error: unknown): DragomanError {
  if (error instanceof DragomanError) {
    return error;
  }
  throw error;
}

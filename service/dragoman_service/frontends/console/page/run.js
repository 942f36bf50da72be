// One answer: an operation that this page starts or finds, and follows until its end, whatever happens in between.

import { call, CallError, stream } from "./api.js";
import { add, begin } from "./fold.js";

const FIRST_PAUSE = 300; // milliseconds before the next try to reach the service; it doubles
const LONGEST_PAUSE = 5000;
const LOST = ["unreachable", "unavailable", "unknown", "aborted"]; // codes of a connection that is gone
const SILENT = "deadline_exceeded"; // nothing came for a while: the operation goes on

/** Follows one completion. `changed` is called after each event. */
export class Run {
  constructor(changed) {
    this.changed = changed;
    this.name = ""; // of the operation; empty: it would not survive
    this.note = ""; // what the reader should know of the connection
    this.answer = begin();
    this.asked = 0; // by this page's clock
    this.aborter = new AbortController();
  }

  get running() {
    return !this.answer.done && !this.answer.error;
  }

  /** Starts an operation. Resolves once it has a name, or runs the answer live if operations cannot be stored. */
  async start(request) {
    this.asked = Date.now();
    try {
      const operation = await call("dragoman.v1.CompletionService/StartCompletion", { request });
      this.name = operation.name;
      this.answer.started = Date.parse(operation.metadata?.createTime ?? "") || this.asked;
    } catch (error) {
      if (!["OPERATIONS_UNAVAILABLE", "SCOPE_MISSING", "QUOTA_EXHAUSTED"].includes(error.reason)) return this.fail(error);
      this.note = `It ends with this page, because it could not be stored: ${error.message}`;
      this.live(request);
    }
    return this;
  }

  /** Reads an operation from its beginning, and goes on as long as it does. */
  async follow(name = this.name) {
    this.name = name;
    let pause = FIRST_PAUSE;
    while (this.running && !this.aborter.signal.aborted) {
      const before = this.answer.sequence;
      try {
        if (!this.answer.started) await this.look();
        const request = { name, afterSequence: String(this.answer.sequence) };
        await this.read("dragoman.v1.CompletionService/AttachCompletion", request);
        if (this.running) throw new CallError("unreachable", "The connection was lost.");
      } catch (error) {
        if (this.aborter.signal.aborted || !this.running) return;
        if (error.code === SILENT) continue;
        if (!LOST.includes(error.code)) return this.fail(error);
        if (this.answer.sequence > before) pause = FIRST_PAUSE;
        this.note = `${error.message} Trying again …`;
        this.changed();
        await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
        pause = Math.min(2 * pause, LONGEST_PAUSE);
      }
    }
  }

  /** Asks the service to stop. What came so far stays. */
  async stop() {
    if (!this.name) return this.leave();
    await call("google.longrunning.Operations/CancelOperation", { name: this.name }).catch((error) => this.fail(error));
  }

  /** Stops to read; the operation goes on. */
  leave() {
    this.aborter.abort();
  }

  async live(request) {
    try {
      await this.read("dragoman.v1.CompletionService/StreamCompletion", {
        ...request, streamOptions: { heartbeatInterval: "1s" },
      });
    } catch (error) {
      if (!this.aborter.signal.aborted && this.running) this.fail(error);
    }
  }

  async look() {
    const operation = await call("google.longrunning.Operations/GetOperation", { name: this.name });
    this.answer.started = Date.parse(operation.metadata?.createTime ?? "") || 0;
    this.model = operation.metadata?.model ?? "";
  }

  async read(method, request) {
    for await (const event of stream(method, request, this.aborter.signal)) {
      if (Number(event.sequence ?? 0) <= this.answer.sequence && !event.heartbeat) continue;
      this.note = this.name ? "" : this.note;
      add(this.answer, event);
      this.changed();
    }
  }

  fail(error) {
    if (!this.answer.error) this.answer.error = { message: error.message, reason: error.reason };
    this.answer.done = true;
    this.changed();
    return this;
  }
}

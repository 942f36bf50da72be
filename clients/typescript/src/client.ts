import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { ANSWER, DEFAULT_MODEL } from "./config.js";
import type { CallOptions, Connection } from "./connection.js";
import type { Completion } from "./gen/dragoman/v1/completion_pb.js";
import {
  type CountTokensResponse,
  type Token,
  type TokenizeRequest,
  TokenizeRequestSchema,
} from "./gen/dragoman/v1/completion_service_pb.js";
import type { Model } from "./gen/dragoman/v1/model_pb.js";
import { Operation } from "./operation.js";
import { StreamProgress } from "./progress.js";
import { type CompletionOptions, completionRequest, type Prompt, type StartOptions, startRequest } from "./request.js";
import { CompletionStream } from "./stream.js";

/**
 * What the clients for Node and for browsers have in common. All methods fail with `DragomanError`. While the service
 * is unavailable, calls that are safe to repeat are tried up to four times.
 */
export abstract class AnyClient {
  readonly #connection: Connection;

  protected constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The transport, for stubs of `@connectrpc/connect` and other services. */
  get transport(): Transport {
    return this.#connection.transport;
  }

  /** Returns the complete answer; `textOf` reads its text. */
  async complete(prompt: Prompt, options: CompletionOptions = {}): Promise<Completion> {
    const request = completionRequest(prompt, options);
    const { completions } = this.#connection;
    return this.#connection.call((limits) => completions.createCompletion(request, limits), options, ANSWER);
  }

  /**
   * The answer as a stream: its text, its events, and the complete answer at its end. With `disconnectPolicy:
   * "continue"` or a `requestId`, the completion is an operation, and a stream that is interrupted resumes by itself.
   */
  stream(prompt: Prompt, options: CompletionOptions = {}): CompletionStream {
    const request = completionRequest(prompt, options);
    const limits = { ...options, timeoutMs: options.timeoutMs ?? this.#connection.timeoutMs };
    const progress = new StreamProgress(this.#connection, limits);
    return new CompletionStream(this.#connection, progress, limits, (callLimits) =>
      this.#connection.completions.streamCompletion(request, callLimits),
    );
  }

  /**
   * Starts a long-running operation. `timeoutMs` and `signal` apply to this call only. Without a `requestId`, each call
   * generates one, so that retries start only one operation.
   */
  async start(prompt: Prompt, options: StartOptions = {}): Promise<Operation> {
    const request = startRequest(prompt, options);
    const { completions } = this.#connection;
    const state = await this.#connection.call((limits) => completions.startCompletion(request, limits), options);
    return new Operation(this.#connection, state);
  }

  /** A handle for the operation with that name. Makes no call. */
  operation(name: string): Operation {
    return new Operation(this.#connection, name);
  }

  /**
   * The caller's own operations, newest first. `filter` is an AIP-160 expression such as `state = RUNNING`; `pageSize`
   * is the number that one call fetches.
   */
  async *operations({
    filter = "",
    pageSize = 0,
    ...options
  }: CallOptions & { filter?: string; pageSize?: number } = {}) {
    let pageToken = "";
    do {
      const request = { filter, pageSize, pageToken };
      const page = await this.#connection.call(
        (limits) => this.#connection.operations.listOperations(request, limits),
        options,
      );
      for (const state of page.operations) {
        yield new Operation(this.#connection, state);
      }
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** The models that the caller may use, ordered by name. `pageSize` is the number that one call fetches. */
  async *models({ pageSize = 0, ...options }: CallOptions & { pageSize?: number } = {}): AsyncGenerator<Model, void> {
    let pageToken = "";
    do {
      const request = { pageSize, pageToken };
      const page = await this.#connection.call(
        (limits) => this.#connection.models.listModels(request, limits),
        options,
      );
      yield* page.models;
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** The model with that name or alias. */
  async model(name: string, options?: CallOptions): Promise<Model> {
    return this.#connection.call((limits) => this.#connection.models.getModel({ name }, limits), options);
  }

  /** Counts the tokens of the prompt, including the model's own template. */
  async countTokens(prompt: Prompt, options: CompletionOptions = {}): Promise<CountTokensResponse> {
    const request = completionRequest(prompt, options);
    return this.#connection.call((limits) => this.#connection.completions.countTokens(request, limits), options);
  }

  /** Splits a plain text, or the prompt of a conversation or a request as the model would see it, into tokens. */
  async tokenize(prompt: Prompt, { model, ...options }: CallOptions & { model?: string } = {}): Promise<Token[]> {
    const request = tokenizeRequest(prompt, model);
    const { completions } = this.#connection;
    return (await this.#connection.call((limits) => completions.tokenize(request, limits), options)).tokens;
  }

  /** Closes the connection and cancels the calls in progress. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function tokenizeRequest(prompt: Prompt, model: string | undefined): TokenizeRequest {
  if (typeof prompt === "string") {
    return create(TokenizeRequestSchema, { model: model ?? DEFAULT_MODEL, input: { case: "text", value: prompt } });
  }
  const request = completionRequest(prompt, { model });
  return create(TokenizeRequestSchema, { model: request.model, input: { case: "request", value: request } });
}

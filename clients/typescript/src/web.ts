import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AnyClient } from "./client.js";
import { authorization, Connection, type ConnectionOptions } from "./connection.js";

export * from "./exports.js";

export interface WebClientOptions extends ConnectionOptions {
  /** URL of the proxy that translates gRPC-Web, for example `https://api.example.com`. */
  baseUrl: string;
  /** Replaces the global `fetch`, for example to send cookies. */
  fetch?: typeof globalThis.fetch;
}

/** Client of a Dragoman service over gRPC-Web, for browsers. */
export class Client extends AnyClient {
  constructor(options: WebClientOptions) {
    const { baseUrl, fetch } = options;
    const transport = createGrpcWebTransport({ baseUrl, fetch, interceptors: authorization(options.apiKey) });
    super(new Connection(baseUrl, transport, options));
  }
}

import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { AnyClient } from "./client.js";
import { authorization, Connection, type ConnectionOptions } from "./connection.js";

export * from "./exports.js";

export interface WebClientOptions extends ConnectionOptions {
  /** URL of the service's HTTP listener, or of a proxy that translates gRPC-Web, as in `https://api.example.com`. */
  baseUrl: string;
  /** `connect` calls the service's HTTP listener, `grpc-web` a proxy that translates. Default: `grpc-web`. */
  protocol?: "connect" | "grpc-web";
  /** Replaces the global `fetch`, for example to send cookies. */
  fetch?: typeof globalThis.fetch;
}

/** Client of a Dragoman service for browsers. */
export class Client extends AnyClient {
  constructor(options: WebClientOptions) {
    const { baseUrl, fetch, protocol } = options;
    const createTransport = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
    // In JSON, operations could be read only with a registry of the types that they hold.
    const shared = { baseUrl, fetch, interceptors: authorization(options.apiKey), useBinaryFormat: true };
    const transport = createTransport(shared);
    super(new Connection(baseUrl, transport, options));
  }
}

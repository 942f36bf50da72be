import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AnyClient } from "./client.js";
import { DEFAULT_TARGET, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES } from "./config.js";
import { authorization, Connection, type ConnectionOptions } from "./connection.js";

export * from "./exports.js";

const SESSION_MEMORY_MB = 256; // Node's default of 10 would end connections that carry large messages

/** Contents of PEM files for a connection over TLS. */
export interface TlsOptions {
  /** The trusted authorities. Default: Node's built-in list. */
  ca?: string | Buffer;
  /** Certificate and private key of the client, for a service that requires them. Set both or neither. */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** The name in the service's certificate, if it differs from the target's host. */
  serverName?: string;
}

export interface ClientOptions extends ConnectionOptions {
  /** Address of the service, host:port. Default: $DRAGOMAN_TARGET, else 127.0.0.1:50051. */
  target?: string;
  /** Default: $DRAGOMAN_API_KEY, else none. */
  apiKey?: string;
  /** `true` trusts Node's built-in authorities; an object sets more. Default: no TLS. */
  tls?: boolean | TlsOptions;
}

/** Client of a Dragoman service over gRPC. Close it at the end: an open connection keeps the process running. */
export class Client extends AnyClient {
  constructor(options: ClientOptions = {}) {
    super(connect(options));
  }
}

function connect(options: ClientOptions): Connection {
  const target = options.target || process.env.DRAGOMAN_TARGET || DEFAULT_TARGET;
  const apiKey = options.apiKey ?? process.env.DRAGOMAN_API_KEY;
  const baseUrl = `${options.tls ? "https" : "http"}://${target}`;
  const { ca, cert, key, serverName } = typeof options.tls === "object" ? options.tls : {};
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("A client certificate needs its key: set both `cert` and `key`.");
  }
  const keepalive = { pingIntervalMs: KEEPALIVE_MS, pingTimeoutMs: KEEPALIVE_TIMEOUT_MS };
  const servername = serverName === undefined ? {} : { servername: serverName };
  const sessions = new Http2SessionManager(baseUrl, keepalive, {
    ...{ ca, cert, key, ...servername },
    maxSessionMemory: SESSION_MEMORY_MB,
  });
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager: sessions,
    interceptors: authorization(apiKey),
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
  });
  return new Connection(target, transport, options, () => sessions.abort());
}

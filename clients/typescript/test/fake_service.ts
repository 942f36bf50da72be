import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Client, type ClientOptions } from "../src/index.js";

/** A gRPC server in this process. `cut` ends its connections. */
export class FakeService {
  readonly #sockets = new Set<Socket>();
  readonly #server: Http2Server;
  readonly #clients: Client[] = [];

  constructor(routes: (router: ConnectRouter) => void) {
    this.#server = createServer(connectNodeAdapter({ routes, connect: false, grpcWeb: false }));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get target(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  client(options: ClientOptions = {}): Client {
    const client = new Client({ target: this.target, ...options });
    this.#clients.push(client);
    return client;
  }

  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) {
      client.close();
    }
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

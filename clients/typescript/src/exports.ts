// What both entry points export besides their `Client`.
export { textOf, toolCallsOf } from "./answer.js";
export type { CallOptions } from "./connection.js";
export { DragomanError, type FieldViolation } from "./errors.js";
export { ErrorReason } from "./gen/dragoman/v1/completion_service_pb.js";
export { Code } from "./gen/google/rpc/code_pb.js";
export type { Operation } from "./operation.js";
export type { CompletionOptions, Prompt, StartOptions, Turn } from "./request.js";
export type { CompletionStream, TextOptions } from "./stream.js";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../src/gen/google/rpc/status_pb.js";
import { type CompletionEventSchema, CompletionSchema, Role } from "../src/v1.js";

type EventInit = MessageInitShape<typeof CompletionEventSchema>;

export function completionOf(text: string) {
  const message = { role: Role.ASSISTANT, parts: [{ content: { case: "text" as const, value: text } }] };
  return create(CompletionSchema, { name: "completions/1", choices: [{ index: 0, message }] });
}

export function started(sequence: number, operation = ""): EventInit {
  return { sequence: BigInt(sequence), event: { case: "started", value: { operation } } };
}

export function delta(sequence: number, text: string): EventInit {
  return { sequence: BigInt(sequence), event: { case: "delta", value: { content: { case: "text", value: text } } } };
}

export function retracted(sequence: number, fromSequence: number): EventInit {
  const value = { fromSequence: BigInt(fromSequence), reason: "the worker was lost" };
  return { sequence: BigInt(sequence), event: { case: "retracted", value } };
}

export function finished(sequence: number, text: string): EventInit {
  const outcome = { case: "completion" as const, value: completionOf(text) };
  return { sequence: BigInt(sequence), event: { case: "finished", value: { outcome } } };
}

const info = (reason: string): ErrorInfo =>
  create(ErrorInfoSchema, { domain: "dragoman", reason, metadata: { call_id: "c1", retryable: "true" } });
const bad = create(BadRequestSchema, { fieldViolations: [{ field: "model", description: "is required" }] });
const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(1500) });

/** An error as the service raises it, with all details. */
export function serviceError(code: Code, reason: string): ConnectError {
  return new ConnectError("No.", code, undefined, [
    { desc: ErrorInfoSchema, value: info(reason) },
    { desc: BadRequestSchema, value: bad },
    { desc: RetryInfoSchema, value: retry },
  ]);
}

/** The same as the `error` of an operation. */
export function errorStatus(code: Code, reason: string) {
  const details = [
    anyPack(ErrorInfoSchema, info(reason)),
    anyPack(BadRequestSchema, bad),
    anyPack(RetryInfoSchema, retry),
  ];
  return create(StatusSchema, { code, message: "No.", details });
}

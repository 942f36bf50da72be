import { isDeepStrictEqual } from "node:util";
import { equals, toBinary } from "@bufbuild/protobuf";
import { Code, ErrorReason, textOf } from "../src/index.js";
import { type Choice, type CompletionEvent, CompletionEventSchema, CompletionSchema, FinishReason } from "../src/v1.js";
import { type Outcome, textOfDelta } from "./run.js";

/** Throws with the first expectation that an outcome does not meet. */
export function check(expected: Record<string, unknown>, outcome: Outcome): void {
  if (outcome.error && !("code" in expected)) {
    throw new Error(`it failed: ${outcome.error} ${outcome.error.cause ?? ""}`);
  }
  checkEvents(outcome);
  for (const [key, wanted] of Object.entries(expected)) {
    const found = CHECKS[key];
    if (!found) {
      throw new Error(`unknown expectation ${key}`);
    }
    for (const [value, right] of found(outcome, wanted)) {
      if (!isDeepStrictEqual(value, right)) {
        throw new Error(`${key}: expected ${short(right)}, found ${short(value)}`);
      }
    }
  }
}

export function isSame(left: CompletionEvent[], right: CompletionEvent[]): boolean {
  return (
    left.length === right.length && left.every((event, i) => equals(CompletionEventSchema, event, right[i] ?? event))
  );
}

/** The text deltas that no later event has retracted. */
function deltasOf({ events = [] }: Outcome): string[] {
  let kept: [bigint, string][] = [];
  for (const event of events) {
    if (event.event.case === "retracted") {
      const { fromSequence } = event.event.value;
      kept = kept.filter(([number]) => number < fromSequence);
    } else if (textOfDelta(event)) {
      kept.push([event.sequence, textOfDelta(event)]);
    }
  }
  return kept.map(([, text]) => text);
}

/** The numbers have no gap, and the text is that of the final completion. */
function checkEvents(outcome: Outcome): void {
  const numbers = outcome.events?.map((event) => Number(event.sequence)) ?? [];
  if (numbers.some((number, index) => number !== index + 1)) {
    throw new Error(`the numbers of the events are ${numbers}`);
  }
  const deltas = deltasOf(outcome).join("");
  if (outcome.events && outcome.completion && deltas !== textOf(outcome.completion)) {
    throw new Error(`deltas ${short(deltas)}, completion ${short(textOf(outcome.completion))}`);
  }
}

type Pairs = [found: unknown, right: unknown][];
type Check = (outcome: Outcome, wanted: unknown) => Pairs;

const atLeast = (found: number, wanted: unknown): Pairs => [[found, Math.max(found, wanted as number)]];
const failureOf = ({ error }: Outcome) => present(error, "it did not fail");
const completionOf = ({ completion }: Outcome) => present(completion, "there is no completion");
const choiceOf = (outcome: Outcome): Choice => present(completionOf(outcome).choices[0], "there is no choice");

function textCheck(outcome: Outcome, wanted: unknown): Pairs {
  const pairs: Pairs = [[textOf(completionOf(outcome)), wanted]];
  return outcome.events ? [...pairs, [deltasOf(outcome).join(""), wanted]] : pairs;
}

function echoCheck(outcome: Outcome): Pairs {
  const content = outcome.request.messages.at(-1)?.parts[0]?.content;
  return textCheck(outcome, content?.case === "text" ? content.value : undefined);
}

function usageCheck(outcome: Outcome, wanted: unknown): Pairs {
  const usage = present(completionOf(outcome).usage, "there is no usage") as unknown as Record<string, unknown>;
  const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.entries(wanted as object).map(([name, value]) => [
    [name, Number(usage[camel(name)])],
    [name, value],
  ]);
}

function blockedCheck(outcome: Outcome, wanted: unknown): Pairs {
  const { safety } = choiceOf(outcome);
  const blocked = safety?.ratings.filter((rating) => rating.blocked).map((rating) => rating.category);
  return [
    [safety?.blocked, true],
    [blocked, [wanted]],
  ];
}

const CHECKS: Record<string, Check> = {
  text: textCheck,
  echo: echoCheck,
  finish_reason: (outcome, wanted) => [[`FINISH_REASON_${FinishReason[choiceOf(outcome).finishReason]}`, wanted]],
  usage: usageCheck,
  min_deltas: (outcome, wanted) => atLeast(deltasOf(outcome).length, wanted),
  first_deltas: (outcome, wanted) => [[deltasOf(outcome).slice(0, (wanted as string[]).length), wanted]],
  logprobs: (outcome, wanted) => [[choiceOf(outcome).logprobs.length, wanted]],
  min_bytes: (outcome, wanted) => atLeast(toBinary(CompletionSchema, completionOf(outcome)).length, wanted),
  blocked: blockedCheck,
  code: (outcome, wanted) => [[Code[failureOf(outcome).code], wanted]],
  reason: (outcome, wanted) => {
    const { reason } = failureOf(outcome);
    return [[reason === ErrorReason.UNSPECIFIED ? "" : ErrorReason[reason], wanted]];
  },
  fields: (outcome, wanted) => [
    [
      failureOf(outcome)
        .fields.map(({ field }) => field)
        .sort(),
      [...(wanted as string[])].sort(),
    ],
  ],
  retry_after: (outcome, wanted) => [[(failureOf(outcome).retryAfterMs ?? Number.NaN) / 1000, wanted]],
  call_id: (outcome, wanted) => [[failureOf(outcome).callId !== "", wanted]],
  status: (outcome, wanted) => [[outcome.health, wanted]],
  models: ({ models = [] }, wanted) => [
    [models.length, wanted],
    [models, [...new Set(models)].sort()],
  ],
  input_tokens: (outcome, wanted) => [[outcome.inputTokens, wanted]],
  tokens: (outcome, wanted) => [[outcome.tokens, wanted]],
};

function present<T>(value: T | undefined, message: string): T {
  if (value === undefined) {
    throw new Error(message);
  }
  return value;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length <= 200 ? text : `${text.slice(0, 200)}… (${text.length} characters)`;
}

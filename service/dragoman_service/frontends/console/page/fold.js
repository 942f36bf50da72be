// Events to answer: the same fold that the service makes.

const TOKEN = 4; // characters of a token, for estimates

/** The answer so far. Times are milliseconds since 1970, by the service's clock. */
export function begin(started = 0) {
  return {
    started, sequence: 0, choices: [], attempts: [], usage: null, provider: "", model: "", warnings: [],
    firstAt: 0, lastAt: 0, deltas: 0, characters: 0, done: false, error: null, rerun: 0, wait: null,
  };
}

/** Adds one event, as the service sends it. */
export function add(answer, event) {
  const at = Date.parse(event.eventTime ?? "") || 0;
  answer.sequence = Number(event.sequence ?? answer.sequence);
  if (!event.heartbeat) answer.lastAt = at || answer.lastAt;
  if (event.started) begun(answer, event.started);
  else if (event.delta) extend(answer, event.delta, at);
  else if (event.choiceFinished) choice(answer, event.choiceFinished.choiceIndex ?? 0).finish = event.choiceFinished;
  else if (event.usage) answer.usage = event.usage;
  else if (event.attempt) answer.attempts.push(event.attempt);
  else if (event.heartbeat) answer.wait = event.heartbeat;
  else if (event.retracted) forget(answer);
  else if (event.citations) choice(answer, event.citations.choiceIndex ?? 0).citations.push(...event.citations.citations);
  else if (event.finished) finish(answer, event.finished);
  return answer;
}

/** Tokens of the answer: told by the provider, else estimated. */
export function tokens(answer) {
  const told = Number(answer.usage?.outputTokens ?? 0);
  return Math.max(told, answer.deltas, told ? 0 : Math.floor(answer.characters / TOKEN));
}

/** The text of a choice. */
export function textOf(one) {
  return one.parts.filter((part) => part.kind === "text" || part.kind === "refusal").map((part) => part.text).join("");
}

function begun(answer, started) {
  answer.provider = started.provider ?? "";
  answer.model = started.servedModel ?? "";
  answer.warnings = started.warnings ?? [];
}

function choice(answer, index) {
  answer.choices[index] ??= { parts: [], calls: [], citations: [], finish: null };
  return answer.choices[index];
}

function extend(answer, delta, at) {
  const one = choice(answer, delta.choiceIndex ?? 0);
  answer.deltas += 1;
  answer.firstAt ||= at;
  const kind = ["text", "reasoning", "refusal"].find((name) => delta[name] !== undefined);
  if (kind) {
    answer.characters += delta[kind].length;
    if (one.parts.at(-1)?.kind !== kind) one.parts.push({ kind, text: "" });
    one.parts.at(-1).text += delta[kind];
  } else if (delta.toolCall) {
    const piece = delta.toolCall;
    const index = piece.index ?? 0;
    if (index === one.calls.length) {
      const made = { kind: "tool_call", id: piece.id ?? "", name: piece.name ?? "", text: "" };
      one.calls.push(made);
      one.parts.push(made);
    }
    answer.characters += (piece.argumentsJson ?? "").length;
    one.calls[index].text += piece.argumentsJson ?? "";
  }
}

/** The completion starts again: a worker was lost, and another one runs it. */
function forget(answer) {
  const kept = { started: answer.started, sequence: answer.sequence, rerun: answer.rerun + 1 };
  Object.assign(answer, begin(), kept);
}

function finish(answer, finished) {
  answer.done = true;
  answer.usage = finished.usage ?? finished.completion?.usage ?? answer.usage;
  if (finished.error) answer.error = finished.error;
}

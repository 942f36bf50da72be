// The bar of phases: what the time of an answer went into, while it goes by.

import { fill, h } from "./dom.js";
import { tokens } from "./fold.js";

const KINDS = { KIND_RETRY: "retry", KIND_FALLBACK: "fallback", KIND_HEDGE: "hedge" };

/** The phases of a run, each with its length in seconds. `now`: milliseconds since 1970. */
export function phasesOf(run, now = Date.now()) {
  const { answer } = run;
  const from = answer.started || run.asked || answer.lastAt || now;
  const skew = run.asked && answer.started ? answer.started - run.asked : 0; // of the service's clock
  const current = answer.done ? answer.lastAt || from : Math.max(now + skew, answer.lastAt);
  const first = answer.firstAt || (answer.done ? current : 0);
  const found = [];
  let spent = 0;
  for (const attempt of answer.attempts) {
    if (!attempt.error) continue;
    const length = seconds(attempt.duration);
    spent += length;
    found.push({ kind: "failed", length, label: `${attempt.provider} ${reasonOf(attempt.error)}`, title: attempt.error.message });
  }
  const waited = Math.max(0, ((first || current) - from) / 1000 - spent);
  const label = answer.wait?.phase === "PHASE_QUEUED" ? `queued${place(answer.wait)}` : first ? "first token" : "waiting";
  if (waited > 0) found.push({ kind: "waiting", length: waited, label, title: "until the first piece of the answer" });
  if (answer.firstAt) {
    const length = Math.max(0, (current - answer.firstAt) / 1000);
    found.push({ kind: "streaming", length, label: rate(answer, length), title: "from the first piece to the last" });
  }
  return found;
}

/** Draws the bar and the line under it. */
export function drawPhases(element, run, now) {
  const phases = phasesOf(run, now);
  const total = phases.reduce((sum, phase) => sum + phase.length, 0) || 1;
  const bar = h("div", { class: "bar", role: phases.length > 0 && "img", "aria-label": phases.map(told).join(", ") || null },
    phases.map((phase) => {
      const part = h("span", { class: phase.kind, title: `${told(phase)}: ${phase.title}` });
      part.style.flexGrow = String(Math.max(phase.length / total, 0.02));
      return part;
    }));
  const facts = phases.map((phase) => h("span", { class: `fact ${phase.kind}` }, told(phase)));
  return fill(element, bar, h("div", { class: "facts" }, facts, summary(run).map((text) => h("span", { class: "fact" }, text))));
}

/** Tokens, cost and end of a run, in words. */
function summary({ answer, name }) {
  const facts = [];
  const count = tokens(answer);
  if (count) facts.push(`${answer.usage?.inputTokens ? `${answer.usage.inputTokens} in, ` : ""}${count} out`);
  if (answer.usage?.costNanoUsd !== undefined) facts.push(money(answer.usage.costNanoUsd));
  if (answer.provider) facts.push(`${answer.provider}/${answer.model}`);
  const kinds = answer.attempts.map((attempt) => KINDS[attempt.kind]).filter(Boolean);
  if (kinds.length) facts.push(kinds.join(", "));
  if (answer.rerun) facts.push(`began again ${answer.rerun === 1 ? "once" : `${answer.rerun} times`}`);
  const ends = new Set(answer.choices.filter(Boolean).map((one) => one.finish?.finishReason?.replace("FINISH_REASON_", "").toLowerCase()));
  ends.delete(undefined);
  if (ends.size) facts.push([...ends].join(", "));
  if (name) facts.push(name.replace("operations/", "operation "));
  return facts;
}

/** An amount in US dollars, of billionths. */
export function money(nano) {
  const dollars = Number(nano) / 1e9;
  return dollars === 0 ? "free" : `$${dollars < 0.01 ? dollars.toPrecision(2) : dollars.toFixed(dollars < 1 ? 4 : 2)}`;
}

const told = (phase) => `${phase.label} ${phase.length < 10 ? phase.length.toFixed(2) : phase.length.toFixed(1)} s`;
const place = (wait) => (wait.queuePosition ? `, ${wait.queuePosition} before it,` : "");
const seconds = (duration) => Number.parseFloat(duration ?? "0") || 0;

function rate(answer, length) {
  const count = tokens(answer);
  return length > 0.05 && count > 1 ? `${((count - 1) / length).toFixed(1)} tokens/s,` : "answer";
}

function reasonOf(error) {
  const info = (error.details ?? []).find((one) => one.reason);
  return (info?.reason ?? "failed").replace("PROVIDER_", "").replaceAll("_", " ").toLowerCase();
}

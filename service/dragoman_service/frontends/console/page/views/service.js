// Service: models and their targets, queues, limits, and what was used. Read only.

import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { facts, models } from "../models.js";
import { money } from "../phases.js";

const PAUSE = 3000; // milliseconds between two looks

/** The view. */
export function serviceView() {
  const parts = [new Part("Models", showModels), new Part("Queues", showQueues), new Part("Workers", showWorkers), new Part("Your limits", showLimits), new Part("Usage of the last day", showUsage)];
  const timer = setInterval(() => { if (!document.hidden) for (const part of parts.slice(1)) part.load(); }, PAUSE);
  return {
    element: h("div", { class: "sheet" }, h("h1", {}, "Service"), parts.map((part) => part.element)),
    leave: () => clearInterval(timer),
  };
}

class Part {
  constructor(title, show) {
    this.show = show;
    this.content = h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title });
    this.element = h("section", {}, h("h2", {}, title), this.content);
    this.load();
  }

  async load() {
    try {
      fill(this.content, await this.show());
    } catch (error) {
      fill(this.content, h("p", { class: "status" }, error.message));
    }
  }
}

function table(names, rows, empty) {
  if (!rows.length) return h("p", { class: "status" }, empty);
  return h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell))))));
}

async function showModels() {
  const found = await models(true);
  return table(["Model", "Names", "State", "Properties"], found.map((model) => [
    model.name, (model.aliases ?? []).join(", "),
    (model.availability ?? "").replace("AVAILABILITY_", "").toLowerCase(), facts(model).map((fact) => h("span", { class: "chip" }, fact)),
  ]), "There are none.");
}

async function showQueues() {
  const { queues = [] } = await call("dragoman.v1.AdminService/ListQueues");
  return table(["Limit", "Under way", "Most", "Waiting"], queues.map((queue) => [
    queue.name, queue.inFlight ?? 0, queue.limit ?? "any", (queue.bands ?? []).reduce((sum, band) => sum + (band.length ?? 0), 0),
  ]), "Nothing is limited.");
}

async function showWorkers() {
  const { workers = [] } = await call("dragoman.v1.AdminService/ListWorkers");
  return table(["Host", "Version", "Does", "Calls", "Operations", "Since"], workers.map((worker) => [
    worker.host, worker.version, worker.draining ? "shuts down" : (worker.roles ?? []).join(", "), worker.inFlight ?? 0,
    worker.capacity ? `${worker.operations ?? 0} of ${worker.capacity}` : "none", new Date(worker.startTime).toLocaleString(),
  ]), "None has been seen yet.");
}

async function showLimits() {
  const { limits = [] } = await call("dragoman.v1.LimitService/GetLimits");
  return table(["For", "What", "Used", "Limit", "Left"], limits.map((limit) => {
    const amount = (value) => (limit.unit === "UNIT_NANO_USD" ? money(value) : Number(value).toLocaleString("en"));
    const used = Number(limit.used ?? 0);
    return [
      limit.scope.replace("SCOPE_", "").toLowerCase(),
      `${limit.unit.replace("UNIT_", "").replace("NANO_USD", "cost").toLowerCase()} a ${limit.window}${limit.model ? `, ${limit.model}` : ""}`,
      amount(used), amount(limit.limit), h("meter", { "aria-label": "left", min: 0, max: Number(limit.limit), value: String(Math.max(0, Number(limit.limit) - used)) }),
    ];
  }), "There are none.");
}

async function showUsage() {
  const startTime = new Date(Date.now() - 86_400_000).toISOString();
  const { summaries = [] } = await call("dragoman.v1.UsageService/SummarizeUsage", { filter: { startTime }, groupBy: ["GROUP_MODEL"] });
  return table(["Model", "Requests", "Tokens in", "Tokens out", "Cost"], summaries.map((one) => [
    one.group?.[0] ?? "", one.requests ?? 0, one.usage?.inputTokens ?? 0, one.usage?.outputTokens ?? 0,
    one.unpriced && one.unpriced === one.attempts ? "no price" : money(one.usage?.costNanoUsd ?? 0),
  ]), "Nothing was used.");
}

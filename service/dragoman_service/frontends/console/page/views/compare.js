// Compare: one prompt, up to four models side by side, by the same clock.

import { AnswerView } from "../answer.js";
import { Attachments, readsFiles, takesDrops } from "../attach.js";
import { everyFrame, fill, h, shortcuts } from "../dom.js";
import { load, requestOf, save } from "../draft.js";
import { modelOf, models } from "../models.js";
import { drawPhases } from "../phases.js";
import { Run } from "../run.js";

const MOST = 4;

/** The view. Each `operation` in `parameters` is an answer that is followed from its beginning. */
export function compareView(parameters, navigate) {
  const view = new Compare(navigate);
  const operations = parameters.getAll("operation").slice(0, MOST);
  if (operations.length) view.follow(operations);
  return { element: view.element, leave: () => view.leave() };
}

class Compare {
  constructor(navigate) {
    this.navigate = navigate;
    this.draft = load();
    this.columns = [];
    this.redraw = everyFrame(() => this.draw());
    this.list = h("fieldset", { class: "checks" }, h("legend", {}, `Models, at most ${MOST}`));
    this.status = h("p", { class: "status", role: "status", "aria-live": "polite" });
    this.grid = h("div", { class: "columns" });
    const turn = this.draft.turns.at(-1) ?? { text: "" };
    const changed = () => { this.draft.turns = [Object.assign(turn, { role: "user", text: prompt.value })]; save(this.draft); };
    const prompt = h("textarea", { rows: 4, value: turn.text, placeholder: "Write a message", oninput: changed });
    this.attached = new Attachments(turn, "the message", changed, (text) => this.say(text));
    this.element = h("div", { class: "compare", onkeydown: shortcuts(() => this.start(), () => this.stop()) },
      h("h1", { class: "unseen" }, "Compare"),
      h("form", { class: "panel wide", onsubmit: (event) => { event.preventDefault(); this.start(); } },
        h("label", { class: "field" }, h("span", {}, "Message"), prompt), this.attached.element, this.list,
        h("div", { class: "actions" }, h("button", { class: "primary", type: "submit", title: "Ctrl+Enter" }, "Run all"),
          h("button", { type: "button", title: "Escape", onclick: () => this.stop() }, "Stop all")), this.status),
      this.grid);
    takesDrops(this.element, (files) => this.attached.add(files));
    this.fillModels();
  }

  async fillModels() {
    try {
      const found = this.found = await models();
      const chosen = new Set(this.draft.models);
      const names = found.flatMap((model) => [...(model.aliases ?? []), model.name]).sort((one, other) => one.includes("/") - other.includes("/"));
      this.list.append(...names.map((name) => h("label", {},
        h("input", { type: "checkbox", value: name, checked: chosen.has(name), onchange: () => this.chosen() }), ` ${name}`)));
      this.chosen();
    } catch (error) {
      this.say(error.message);
    }
  }

  chosen() {
    const boxes = [...this.list.querySelectorAll("input")];
    this.draft.models = boxes.filter((box) => box.checked).map((box) => box.value);
    for (const box of boxes) box.disabled = !box.checked && this.draft.models.length >= MOST;
    const blind = this.draft.models.find((name) => !readsFiles(modelOf(this.found, name)));
    this.attached.allow(blind ? `${blind} reads no images or files.` : "");
    save(this.draft);
  }

  async start() {
    if (!this.draft.models.length) return this.say("Choose at least one model.");
    let requests;
    try {
      requests = this.draft.models.map((model) => requestOf(this.draft, model));
    } catch (error) {
      return this.say(error.message);
    }
    this.say("");
    this.open(this.draft.models);
    const runs = this.columns.map((column) => column.run);
    await Promise.all(runs.map((run, index) => run.start(requests[index])));
    if (runs[0] !== this.columns[0]?.run) return;
    const names = runs.filter((run) => run.name).map((run) => `operation=${encodeURIComponent(run.name)}`);
    if (names.length) this.navigate(`#/compare?${names.join("&")}`);
    for (const run of runs) if (run.name) run.follow();
    this.redraw();
  }

  follow(operations) {
    this.open(operations.map((name) => name.replace("operations/", "")));
    this.columns.forEach((column, index) => column.run.follow(operations[index]));
  }

  open(titles) {
    this.leave();
    this.columns = titles.map((title) => {
      const column = { run: new Run(this.redraw), answer: new AnswerView(), phases: h("div", { class: "phases" }), title: h("h2", {}, title) };
      column.element = h("section", { class: "column" }, column.title, column.phases, column.answer.element);
      return column;
    });
    fill(this.grid, this.columns.map((column) => column.element));
    this.clock = setInterval(this.redraw, 100);
  }

  stop() {
    for (const { run } of this.columns) if (run.running) run.stop();
  }

  draw() {
    const now = Date.now();
    for (const { run, answer, phases, title } of this.columns) {
      answer.draw(run);
      drawPhases(phases, run, now);
      if (run.model && title.textContent !== run.model) title.textContent = run.model;
    }
    const running = this.columns.some(({ run }) => run.running);
    this.element.dataset.state = running ? "running" : "done";
    if (!running) clearInterval(this.clock);
  }

  say(text) {
    this.status.textContent = text;
  }

  leave() {
    clearInterval(this.clock);
    for (const { run } of this.columns) run.leave();
  }
}

// Play: design a prompt, adapt parameters, watch the answer; it goes on when the page is gone.

import { AnswerView } from "../answer.js";
import { Attachments, readsFiles, takesDrops } from "../attach.js";
import { FORMS } from "../copying.js";
import { everyFrame, field, fill, h, shortcuts } from "../dom.js";
import { KNOBS, load, pathOf, requestOf, save } from "../draft.js";
import { facts, firstOf, modelOf, models, options } from "../models.js";
import { drawPhases } from "../phases.js";
import { Run } from "../run.js";

/** The view. `parameters.get("operation")`: an answer that is followed from its beginning. */
export function playView(parameters, navigate) {
  const view = new Play(navigate);
  const operation = parameters.get("operation");
  if (operation) view.follow(operation);
  return { element: view.element, leave: () => view.leave() };
}

class Play {
  constructor(navigate) {
    this.navigate = navigate;
    this.draft = load();
    this.run = null;
    this.answer = new AnswerView();
    this.phases = h("div", { class: "phases" });
    this.status = h("p", { class: "status", role: "status", "aria-live": "polite" });
    this.redraw = everyFrame(() => this.draw());
    this.element = h("div", { class: "play", onkeydown: shortcuts(() => this.start(), () => this.stop()) },
      h("h1", { class: "unseen" }, "Play"), this.form(), this.output());
    takesDrops(this.element, (files, target) => this.drop(files, target));
    this.fillModels();
  }

  form() {
    const { draft } = this;
    this.model = h("select", { onchange: () => this.choose(this.model.value) }, h("option", { value: "" }, "Loading …"));
    this.facts = h("p", { class: "model-facts" });
    this.turns = h("div", { class: "turns" });
    this.knobs = h("div", { class: "knobs" });
    this.go = h("button", { class: "primary", type: "submit", title: "Ctrl+Enter" }, "Run");
    this.halt = h("button", { type: "button", onclick: () => this.stop(), title: "Escape", disabled: true }, "Stop");
    this.drawTurns();
    return h("form", { class: "panel", onsubmit: (event) => { event.preventDefault(); this.start(); } },
      field("Model", this.model), this.facts,
      field("System", this.area(draft.system, 2, (text) => { draft.system = text; }, "How the model should behave")),
      this.turns,
      h("details", { open: Object.keys(draft.knobs).length > 0 }, h("summary", {}, "Parameters"), this.knobs),
      h("details", { open: Boolean(draft.tools || draft.schema) }, h("summary", {}, "Tools and schema"),
        field("Tools, JSON", this.area(draft.tools, 4, (text) => { draft.tools = text; }, '[{"name": "get_weather", "parameters": {…}}]')),
        field("Schema of the answer, JSON", this.area(draft.schema, 4, (text) => { draft.schema = text; }, '{"type": "object", …}'))),
      h("div", { class: "actions" }, this.go, this.halt, this.copying()), this.status);
  }

  output() {
    const plain = h("input", { type: "checkbox", onchange: () => { this.answer.plain = plain.checked; this.redraw(); } });
    this.hint = h("p", { class: "hint" }, "The answer appears here. It is an operation of the service: reload this page, close it, ",
      "or open its address elsewhere, and it goes on.");
    this.tools = h("div", { class: "tools", hidden: true }, h("label", {}, plain, " plain text"),
      h("button", { type: "button", class: "small", onclick: () => this.continueTalk() }, "Use as next turn"));
    return h("section", { class: "output", "aria-label": "Answer" }, h("h2", { class: "unseen" }, "Answer"), this.hint, this.phases, this.answer.element, this.tools);
  }

  area(value, rows, changed, placeholder) {
    return h("textarea", { rows, value, placeholder, spellcheck: "false",
      oninput: (event) => { changed(event.target.value); save(this.draft); } });
  }

  drawTurns() {
    const { turns } = this.draft;
    this.attached = turns.map((turn, index) =>
      new Attachments(turn, `message ${index + 1}`, () => save(this.draft), (text) => this.say(text)));
    fill(this.turns, turns.map((turn, index) => h("div", { class: "turn" },
      h("div", { class: "turn-head" },
        h("select", { "aria-label": `Role of message ${index + 1}`, onchange: (event) => { turn.role = event.target.value; save(this.draft); this.allowFiles(); } },
          ["user", "assistant"].map((role) => h("option", { value: role, selected: role === turn.role }, role))),
        turns.length > 1 && h("button", { type: "button", class: "small", "aria-label": `Remove message ${index + 1}`,
          onclick: () => { turns.splice(index, 1); save(this.draft); this.drawTurns(); } }, "×")),
      h("label", { class: "field" }, h("span", { class: "unseen" }, `Message ${index + 1}`),
        this.area(turn.text, turn.role === "user" ? 4 : 3, (text) => { turn.text = text; }, "Write a message")),
      this.attached[index].element)),
    h("button", { type: "button", class: "small", onclick: () => this.addTurn() }, "+ message"));
    this.allowFiles();
  }

  allowFiles() {
    const reason = readsFiles(modelOf(this.found, this.draft.model)) ? "" : "This model reads no images or files.";
    this.attached.forEach((one, index) => {
      one.allow(reason);
      one.element.hidden = this.draft.turns[index].role !== "user";
    });
  }

  /** Files belong to the message that they were dropped on, or to the last one of the user. */
  drop(files, target) {
    const { turns } = this.draft;
    const index = [...this.turns.children].findIndex((turn) => turn.contains(target));
    const at = turns[index]?.role === "user" ? index : turns.findLastIndex((turn) => turn.role === "user");
    this.attached[at]?.add(files);
  }

  addTurn(role = this.draft.turns.at(-1)?.role === "user" ? "assistant" : "user", text = "") {
    this.draft.turns.push({ role, text });
    save(this.draft);
    this.drawTurns();
    this.turns.querySelector(".turn:last-of-type textarea")?.focus();
  }

  continueTalk() {
    const text = this.run?.answer.choices[0]?.parts.filter((part) => part.kind === "text").map((part) => part.text).join("");
    if (!text) return;
    this.draft.turns.push({ role: "assistant", text });
    this.addTurn("user");
  }

  copying() {
    const choose = h("select", { "aria-label": "Copy the request as", onchange: () => this.copy(choose) },
      h("option", { value: "" }, "Copy as …"), Object.keys(FORMS).map((name) => h("option", { value: name }, name)));
    return choose;
  }

  async copy(choose) {
    const form = FORMS[choose.value];
    choose.value = "";
    const request = form && this.request();
    if (!request) return;
    const text = form(request);
    this.copied = text;
    try {
      await navigator.clipboard.writeText(text);
      this.say("Copied.");
    } catch {
      this.say("The browser does not allow to copy here. This is the text:");
      this.status.append(h("pre", { class: "plain" }, text));
    }
  }

  async fillModels() {
    try {
      this.found = await models();
    } catch (error) {
      fill(this.model, h("option", { value: "" }, "none"));
      return this.say(error.code === "unauthenticated" ? "Type an API key above." : error.message);
    }
    if (!modelOf(this.found, this.draft.model)) this.draft.model = firstOf(this.found);
    fill(this.model, options(this.found, this.draft.model));
    this.choose(this.draft.model);
  }

  choose(name) {
    this.draft.model = name;
    save(this.draft);
    const model = modelOf(this.found, name);
    fill(this.facts, (model ? facts(model) : []).map((fact) => h("span", { class: "chip" }, fact)));
    fill(this.knobs, KNOBS.map((knob) => this.knob(knob, model)));
    this.allowFiles();
  }

  knob(knob, model) {
    const { knobs } = this.draft;
    const supported = !model || (model.supportedFields ?? []).includes(pathOf(knob));
    const changed = (event) => { knobs[knob.name] = event.target.value; save(this.draft); };
    const value = knobs[knob.name] ?? "";
    const shared = { value, disabled: !supported, oninput: changed };
    const control = knob.type === "select"
      ? h("select", { ...shared, onchange: changed }, knob.options.map((one) =>
        h("option", { value: one, selected: one === value }, one.toLowerCase() || "the model's own")))
      : h("input", { ...shared, type: knob.type, min: knob.min, max: knob.max, step: knob.step, placeholder: knob.hint ?? "default" });
    return field(knob.label, control, supported ? null : "This model does not support it.");
  }

  request() {
    try {
      return requestOf(this.draft);
    } catch (error) {
      this.say(error.message);
      return null;
    }
  }

  async start() {
    const request = this.request();
    if (!request) return;
    this.open();
    const { run } = this;
    this.say("Asking …");
    await run.start(request);
    if (run !== this.run) return;
    if (run.name) {
      this.navigate(`#/play?operation=${encodeURIComponent(run.name)}`);
      run.follow();
    }
    this.redraw();
  }

  follow(name) {
    this.open();
    this.say("Reading the answer from its beginning …");
    this.run.follow(name);
  }

  open() {
    this.run?.leave();
    this.answer.clear();
    this.hint.hidden = true;
    this.tools.hidden = false;
    this.run = new Run(this.redraw);
    clearInterval(this.clock);
    this.clock = setInterval(this.redraw, 100); // the bar goes on while nothing comes
    this.redraw();
  }

  async stop() {
    if (!this.run?.running) return;
    this.say("Stopping …");
    await this.run.stop();
    this.redraw();
  }

  draw() {
    const { run } = this;
    if (!run) return;
    this.answer.draw(run);
    drawPhases(this.phases, run);
    this.go.disabled = false;
    this.halt.disabled = !run.running;
    this.element.dataset.state = run.running ? "running" : run.answer.error ? "failed" : "done";
    if (run.running) {
      if (run.answer.firstAt || run.name) this.say("Running.");
      return;
    }
    clearInterval(this.clock);
    this.say(run.answer.error ? "" : "Done.");
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  leave() {
    clearInterval(this.clock);
    this.run?.leave();
  }
}

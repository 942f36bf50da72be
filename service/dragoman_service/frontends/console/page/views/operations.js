// Operations: what runs and what ran, with its state; open one, or cancel it.

import { call } from "../api.js";
import { fill, h } from "../dom.js";

const STATES = ["", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"];
const PAUSE = 2000; // milliseconds between two looks

/** The view. `parameters.get("state")` is the filter. */
export function operationsView(parameters, navigate) {
  const view = new Operations(parameters.get("state") ?? "", parameters.get("label") ?? "", navigate);
  return { element: view.element, leave: () => view.leave() };
}

class Operations {
  constructor(state, label, navigate) {
    this.state = h("select", { onchange: () => this.changed() },
      STATES.map((one) => h("option", { value: one, selected: one === state }, one.toLowerCase() || "any")));
    this.label = h("input", { type: "text", value: label, placeholder: "name=value", onchange: () => this.changed() });
    this.navigate = navigate;
    this.body = h("tbody");
    this.note = h("p", { class: "status", role: "status" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.load(this.token) }, "Older ones");
    this.element = h("div", { class: "sheet" }, h("h1", {}, "Operations"),
      h("div", { class: "actions" }, h("label", { class: "field inline" }, h("span", {}, "State"), this.state),
        h("label", { class: "field inline" }, h("span", {}, "Label"), this.label)),
      this.note,
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {},
        ["Started", "State", "Model", "Caller", "Tokens", "Labels"].map((name) => h("th", { scope: "col" }, name)),
        h("th", { scope: "col" }, h("span", { class: "unseen" }, "Cancel")))), this.body)),
      this.more);
    this.pages = 1;
    this.load();
    this.timer = setInterval(() => { if (!document.hidden && this.pages === 1) this.load(); }, PAUSE);
  }

  changed() {
    const query = new URLSearchParams();
    if (this.state.value) query.set("state", this.state.value);
    if (this.label.value) query.set("label", this.label.value);
    this.navigate(`#/operations${query.size ? `?${query}` : ""}`);
    this.pages = 1;
    this.load();
  }

  filter() {
    const parts = [];
    if (this.state.value) parts.push(`state = ${this.state.value}`);
    const [name, ...value] = this.label.value.split("=");
    if (name && value.length) parts.push(`labels.${name.trim()} = ${JSON.stringify(value.join("=").trim())}`);
    return parts.join(" AND ");
  }

  async load(pageToken = "") {
    try {
      const request = { name: "operations", filter: this.filter(), pageSize: 50, pageToken };
      const page = await call("google.longrunning.Operations/ListOperations", request);
      const rows = (page.operations ?? []).map((operation) => this.row(operation));
      if (pageToken) {
        this.pages += 1;
        this.body.append(...rows);
      } else fill(this.body, rows);
      this.token = page.nextPageToken ?? "";
      this.more.hidden = !this.token;
      this.note.textContent = this.body.rows.length ? "" : "There are none.";
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  row(operation) {
    const told = operation.metadata ?? {};
    const state = (told.state ?? "").replace("STATE_", "").toLowerCase();
    const usage = told.usage ?? {};
    const labels = Object.entries(told.labels ?? {}).map(([key, value]) => h("span", { class: "chip" }, `${key}=${value}`));
    const running = !operation.done;
    return h("tr", {},
      h("td", {}, h("a", { href: `#/play?operation=${encodeURIComponent(operation.name)}` }, when(told.createTime))),
      h("td", {}, h("span", { class: `state ${state}`, title: operation.error?.message }, state)),
      h("td", {}, told.model ?? ""), h("td", {}, told.createdBy ?? ""),
      h("td", { class: "number" }, usage.outputTokens ?? (told.outputCharacters ? `${told.outputCharacters} characters` : "")),
      h("td", {}, labels),
      h("td", {}, running && h("button", { type: "button", class: "small", onclick: () => this.cancel(operation.name) }, "Cancel")));
  }

  async cancel(name) {
    try {
      await call("google.longrunning.Operations/CancelOperation", { name });
      await this.load();
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  leave() {
    clearInterval(this.timer);
  }
}

function when(time) {
  const date = new Date(time ?? "");
  return Number.isNaN(date.getTime()) ? "?" : date.toLocaleString();
}

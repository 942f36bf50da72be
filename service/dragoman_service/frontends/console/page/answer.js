// Draws an answer while it grows: only what is new is drawn again.

import { fill, h } from "./dom.js";
import { textOf } from "./fold.js";
import { markdown } from "./markdown.js";

const LONGEST_TAIL = 20_000; // characters that are read as Markdown in every frame

/** A view of a run's answer; call `draw` after a change. */
export class AnswerView {
  constructor() {
    this.element = h("div", { class: "answer", "aria-live": "off" });
    this.choices = [];
    this.plain = false;
    this.rerun = 0;
  }

  draw({ answer, note }) {
    if (this.rerun !== answer.rerun) this.clear();
    this.rerun = answer.rerun;
    answer.choices.forEach((choice, index) => {
      this.choices[index] ??= this.open(index, answer.choices.length);
      this.choices[index].draw(choice, answer.done, this.plain);
    });
    this.message ??= this.element.appendChild(h("div", { class: "messages" }));
    fill(this.message,
      note && h("p", { class: "note", role: "status" }, note),
      answer.warnings.map((one) => h("p", { class: "note" }, one.message)),
      answer.error && h("p", { class: "error", role: "alert" }, answer.error.message));
  }

  clear() {
    this.choices = [];
    this.message = null;
    fill(this.element);
  }

  open(index, count) {
    const made = new ChoiceView(index, count > 1);
    this.element.append(made.element);
    if (this.message) this.element.append(this.message);
    return made;
  }
}

class ChoiceView {
  constructor(index, numbered) {
    this.reasoning = h("pre", { class: "reasoning" });
    this.thoughts = h("details", { hidden: true }, h("summary", {}, "Reasoning"), this.reasoning);
    this.stable = h("div");
    this.tail = h("div");
    this.calls = h("div");
    this.sources = h("ol", { class: "sources", hidden: true });
    this.read = 0; // characters in `stable`
    this.plain = false;
    this.element = h("section", { class: "choice", "data-index": index },
      numbered && h("h3", {}, `Choice ${index + 1}`), this.thoughts, h("div", { class: "text" }, this.stable, this.tail),
      this.calls, this.sources);
  }

  draw(choice, done, plain) {
    const text = textOf(choice);
    if (plain !== this.plain) this.again();
    this.plain = plain;
    const thought = choice.parts.filter((part) => part.kind === "reasoning").map((part) => part.text).join("");
    this.thoughts.hidden = !thought;
    if (this.reasoning.textContent.length !== thought.length) this.reasoning.textContent = thought;
    if (plain) this.drawPlain(text);
    else this.drawMarkdown(text, done);
    fill(this.calls, choice.calls.map((one) => h("pre", { class: "call" }, `${one.name}(${one.text})`)));
    this.sources.hidden = !choice.citations.length;
    if (choice.citations.length) fill(this.sources, choice.citations.map((one) => h("li", {}, one.title || one.uri || "source")));
  }

  again() {
    this.read = 0;
    fill(this.stable);
    fill(this.tail);
  }

  drawPlain(text) {
    if (!this.tail.firstChild) this.tail.append(h("pre", { class: "plain" }, ""));
    const node = this.tail.firstChild.firstChild ?? this.tail.firstChild.appendChild(document.createTextNode(""));
    if (node.length < text.length) node.appendData(text.slice(node.length));
  }

  drawMarkdown(text, done) {
    const end = done ? text.length : boundary(text, this.read);
    if (end > this.read) this.stable.append(...nodes(text.slice(this.read, end)));
    this.read = Math.max(end, this.read);
    fill(this.tail, nodes(text.slice(this.read)));
  }
}

function nodes(text) {
  return text.length > LONGEST_TAIL ? [h("pre", { class: "plain" }, text)] : markdown(text);
}

/** The end of the last block after `from` that later text cannot change: an empty line outside of code. */
function boundary(text, from) {
  let end = from;
  let inside = false;
  for (let at = from; ; ) {
    const next = text.indexOf("\n", at);
    if (next < 0) return end;
    const line = text.slice(at, next);
    if (/^\s*(```|~~~)/.test(line)) inside = !inside;
    if (!inside && !line.trim()) end = next + 1;
    at = next + 1;
  }
}

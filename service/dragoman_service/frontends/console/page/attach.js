// Images and other files of a message: chosen or dropped, listed by name and size.

import { fill, h } from "./dom.js";

const LARGEST = 20 * 1024 ** 2; // bytes, as the schema has it
const LONGEST_NAME = 256;
const DRAWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** Whether a model reads files. One that is not known may. */
export const readsFiles = (model) => !model || Boolean(model.supportedFields?.includes("messages.blob"));

/** The files of a turn, in `turn.files`. `where` names the message; `changed` is called after each change, `say` with what happened. */
export class Attachments {
  constructor(turn, where, changed, say) {
    Object.assign(this, { turn, changed, say });
    const id = `files-of-${where.replaceAll(" ", "-")}`;
    this.list = h("ul", { class: "files", "aria-label": `Files of ${where}` });
    this.input = h("input", { type: "file", multiple: true, class: "unseen", "aria-describedby": id, onchange: () => this.add(this.input.files) });
    this.reason = h("span", { class: "reason", id });
    this.element = h("div", { class: "attached" }, this.list,
      h("label", { class: "attach" }, this.input, "+ image or file", h("span", { class: "unseen" }, ` to ${where}`)), this.reason);
    this.draw();
  }

  /** Allows files, or says why not. */
  allow(reason) {
    this.input.disabled = Boolean(reason);
    this.reason.textContent = reason;
  }

  async add(files) {
    if (this.input.disabled) return this.say(this.reason.textContent);
    const chosen = [...files]; // the input and a drop forget them
    this.input.value = "";
    const wrong = chosen.find((file) => !file.size || file.size > LARGEST);
    if (wrong) return this.say(`${wrong.name} is ${wrong.size ? "larger than 20 MiB" : "empty"}.`);
    try {
      const read = await Promise.all(chosen.map(fileOf));
      this.turn.files = [...(this.turn.files ?? []), ...read];
    } catch {
      return this.say("It cannot be read. Folders cannot be attached.");
    }
    this.draw();
    this.changed();
    this.say(`Attached: ${chosen.map((file) => file.name).join(", ")}.`);
  }

  remove(one) {
    this.turn.files = this.turn.files.filter((file) => file !== one);
    this.draw();
    this.changed();
    this.say(`Removed: ${one.name}.`);
    this.input.focus();
  }

  draw() {
    const files = this.turn.files ?? [];
    this.list.hidden = !files.length;
    fill(this.list, files.map((file) => h("li", {},
      DRAWN.includes(file.type) && h("img", { src: urlOf(file), alt: "" }),
      h("span", { class: "name" }, file.name), h("span", { class: "size" }, sizeOf(file.size)),
      h("button", { type: "button", class: "small", "aria-label": `Remove ${file.name}`, onclick: () => this.remove(file) }, "×"))));
  }
}

/** Lets files be dropped on an element: `take` gets them, and what they were dropped on. */
export function takesDrops(element, take) {
  const mark = (on) => element.classList.toggle("dropping", on);
  element.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // or the browser would leave the page and show the file
    mark(true);
  });
  element.addEventListener("dragleave", () => mark(false));
  element.addEventListener("drop", (event) => {
    mark(false);
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    take(event.dataTransfer.files, event.target);
  });
}

/** A file as an address that holds it. */
export const urlOf = (file) => `data:${file.type};base64,${file.data}`;

function fileOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => resolve({
      name: file.name.slice(0, LONGEST_NAME), size: file.size, data: reader.result.slice(reader.result.indexOf(",") + 1),
      type: file.type.split(";")[0].trim().toLowerCase() || "application/octet-stream",
    });
    reader.readAsDataURL(file);
  });
}

function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// The frame of the console: views by the address, the key, and what is shared by all.

import { getKey, setKey } from "./api.js";
import { fill, h } from "./dom.js";
import { compareView } from "./views/compare.js";
import { operationsView } from "./views/operations.js";
import { playView } from "./views/play.js";
import { serviceView } from "./views/service.js";

const VIEWS = {
  play: { label: "Play", make: playView },
  compare: { label: "Compare", make: compareView },
  operations: { label: "Operations", make: operationsView },
  service: { label: "Service", make: serviceView },
};

let leave = () => {};
let shown = null;

/** The view and the parameters in an address such as `#/play?operation=operations/x`. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: VIEWS[path] ? path : "play", parameters: new URLSearchParams(query ?? "") };
}

function show() {
  const { name, parameters } = place();
  const address = location.hash;
  if (address === shown) return;
  shown = address;
  leave();
  const links = Object.entries(VIEWS).map(([key, { label }]) =>
    h("a", { href: `#/${key}`, "aria-current": key === name ? "page" : null }, label));
  fill(document.querySelector("#views"), links);
  document.title = `${VIEWS[name].label} · Dragoman console`;
  const made = VIEWS[name].make(parameters, (next) => {
    shown = next; // the view shows it already
    history.replaceState(null, "", next);
  });
  leave = made.leave ?? (() => {});
  fill(document.querySelector("main"), made.element);
}

const key = document.querySelector("#key");
const keep = document.querySelector("#keep");
key.value = getKey();
keep.checked = Boolean(getKey());
key.addEventListener("change", () => {
  setKey(key.value, keep.checked);
  shown = null;
  show();
});
keep.addEventListener("change", () => setKey(key.value, keep.checked));
key.form.addEventListener("submit", (event) => {
  event.preventDefault();
  key.blur(); // which changes it
});
addEventListener("hashchange", show);
show();

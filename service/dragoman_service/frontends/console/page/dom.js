// Makes elements. Text is always set as text, so that nothing a model writes becomes markup.

const OWN = new Set(["value", "checked", "disabled", "selected", "indeterminate"]);

/** An element: h("a", { href: "#", onclick: go, class: "x" }, "text", other). Null and false are left out. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (OWN.has(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** A labelled field. */
export function field(label, control, hint) {
  return h("label", { class: "field", title: hint }, h("span", {}, label), control);
}

/** Runs `draw` at most once a frame, however often the function that is returned is called. */
export function everyFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    // A hidden page has no frames, and is drawn when it is shown.
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

/** The handler of keys for a view in which something runs: Ctrl+Enter starts it, Escape stops it. */
export function shortcuts(start, stop) {
  return (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      start();
    } else if (event.key === "Escape") stop();
  };
}

// A small part of Markdown, made into nodes and never into HTML: headings, lists, quotes, code, emphasis, links.

import { h } from "./dom.js";

const INLINE = /(`+)([\s\S]+?)\1|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\n]+)\*(?!\w)|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/g;

/** The nodes of a text. */
export function markdown(text) {
  const nodes = [];
  const rows = text.split("\n");
  for (let index = 0; index < rows.length; ) {
    const fence = /^\s*(```+|~~~+)\s*([\w+-]*)/.exec(rows[index]);
    const [node, next] = fence ? code(rows, index, fence) : block(rows, index);
    if (node) nodes.push(node);
    index = next;
  }
  return nodes;
}

function code(rows, index, [, mark, language]) {
  let end = index + 1;
  while (end < rows.length && !rows[end].trim().startsWith(mark)) end += 1;
  const text = rows.slice(index + 1, end).join("\n");
  return [h("pre", { "data-language": language || null }, h("code", {}, text)), end + 1];
}

function block(rows, index) {
  const row = rows[index];
  if (!row.trim()) return [null, index + 1];
  const heading = /^(#{1,6})\s+(.*)$/.exec(row);
  if (heading) return [h(`h${Math.min(heading[1].length + 2, 6)}`, {}, inline(heading[2])), index + 1];
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(row)) return [h("hr"), index + 1];
  if (/^\s*>/.test(row)) return run(rows, index, /^\s*>\s?/, (lines) => h("blockquote", {}, markdown(lines.join("\n"))));
  if (/^\s*[-*+]\s+/.test(row)) return list(rows, index, "ul", /^\s*[-*+]\s+/);
  if (/^\s*\d{1,9}[.)]\s+/.test(row)) return list(rows, index, "ol", /^\s*\d{1,9}[.)]\s+/);
  return paragraph(rows, index);
}

function run(rows, index, mark, make) {
  const lines = [];
  let next = index;
  while (next < rows.length && mark.test(rows[next])) lines.push(rows[next++].replace(mark, ""));
  return [make(lines), next];
}

function list(rows, index, name, mark) {
  const items = [];
  let next = index;
  for (; next < rows.length && rows[next].trim(); next += 1) {
    if (mark.test(rows[next])) items.push(rows[next].replace(mark, ""));
    else if (/^\s{2,}/.test(rows[next])) items.push(`${items.pop()}\n${rows[next].trim()}`);
    else break;
  }
  const start = name === "ol" ? /\d+/.exec(rows[index])[0] : null;
  return [h(name, { start }, items.map((item) => h("li", {}, inline(item)))), next];
}

function paragraph(rows, index) {
  let next = index + 1;
  while (next < rows.length && rows[next].trim() && !/^(\s*[-*+>]\s|\s*\d+[.)]\s|#{1,6}\s|\s*```)/.test(rows[next])) next += 1;
  return [h("p", {}, inline(rows.slice(index, next).join("\n"))), next];
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(from, found.index));
    const [whole, , literal, strong, emphasis, label, target] = found;
    if (literal) nodes.push(h("code", {}, literal));
    else if (strong) nodes.push(h("strong", {}, strong));
    else if (emphasis) nodes.push(h("em", {}, emphasis));
    else nodes.push(h("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, label));
    from = found.index + whole.length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

// The models that the caller may use.

import { call } from "./api.js";
import { h } from "./dom.js";
import { money } from "./phases.js";

let known = null;

/** All models; asked for once, or `again`. */
export async function models(again = false) {
  if (!known || again) {
    known = (async () => {
      const found = [];
      let token = "";
      do {
        const page = await call("dragoman.v1.ModelService/ListModels", { pageSize: 1000, pageToken: token });
        found.push(...(page.models ?? []));
        token = page.nextPageToken ?? "";
      } while (token);
      return found;
    })();
    known.catch(() => { known = null; });
  }
  return known;
}

/** The options of a list: the names in the settings, which may lead to several targets, then the models themselves. */
export function options(found, chosen) {
  const option = (name, label) => h("option", { value: name, selected: name === chosen }, label);
  const state = (model) => (model.availability === "AVAILABILITY_UNAVAILABLE" ? ", not ready" : "");
  const names = found.flatMap((model) =>
    (model.aliases ?? []).map((alias) => option(alias, `${alias} (${model.name}${state(model)})`)));
  const models = found.map((model) => option(model.name, `${model.name}${state(model)}`));
  return [names.length && h("optgroup", { label: "Names" }, names), h("optgroup", { label: "Models" }, models)].filter(Boolean);
}

/** The model that a name stands for now. */
export const modelOf = (found, name) => found?.find((model) => model.name === name || model.aliases?.includes(name));

/** The name that is chosen at first: the embedded model's, because it needs no network. */
export function firstOf(found) {
  const local = found.find((model) => model.local && model.aliases?.includes("local"));
  return local ? "local" : found[0]?.aliases?.[0] ?? found[0]?.name ?? "";
}

/** What is worth knowing of a model before it is asked. */
export function facts(model) {
  const pricing = model.pricing;
  return [
    model.local && "on this machine",
    model.contextWindowTokens && `${model.contextWindowTokens.toLocaleString("en")} tokens of context`,
    model.maxOutputTokens && `answers up to ${model.maxOutputTokens.toLocaleString("en")}`,
    pricing && `${money(pricing.input ?? 0)} in, ${money(pricing.output ?? 0)} out a million tokens`,
    model.supportedFields?.includes("tools") && "tools",
    model.supportedFields?.includes("generation_config.reasoning") && "reasoning",
    model.availability === "AVAILABILITY_UNAVAILABLE" && "not ready",
  ].filter(Boolean);
}

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

/** The options of a list: short names first, because they are what people type. */
export function options(found, chosen) {
  return found.map((model) => {
    const name = model.aliases?.[0] ?? model.name;
    const ready = model.availability !== "AVAILABILITY_UNAVAILABLE";
    const label = `${name}${name === model.name ? "" : ` (${model.name})`}${ready ? "" : ", not ready"}`;
    return h("option", { value: model.name, selected: model.name === chosen }, label);
  });
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

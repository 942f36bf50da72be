// What the form asks for, kept in this tab only, and the request that it stands for.

const KEEP = "draft";
let draft = null; // shared by the views

/** The knobs of a request: field of generation_config, how it is typed. */
export const KNOBS = [
  { name: "temperature", label: "Temperature", type: "number", min: 0, max: 2, step: 0.1 },
  { name: "topP", label: "Top p", type: "number", min: 0, max: 1, step: 0.05 },
  { name: "topK", label: "Top k", type: "number", min: 0, step: 1 },
  { name: "maxOutputTokens", label: "Longest answer, tokens", type: "number", min: 1, step: 1 },
  { name: "choiceCount", label: "Choices", type: "number", min: 1, max: 8, step: 1 },
  { name: "seed", label: "Seed", type: "number", step: 1 },
  { name: "presencePenalty", label: "Presence penalty", type: "number", min: -2, max: 2, step: 0.1 },
  { name: "frequencyPenalty", label: "Frequency penalty", type: "number", min: -2, max: 2, step: 0.1 },
  { name: "stopSequences", label: "Stop sequences", type: "text", hint: "separated by commas" },
  { name: "effort", label: "Reasoning effort", type: "select", field: "reasoning",
    options: ["", "NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] },
];

/** The path of a knob among a model's supported fields. */
export const pathOf = (knob) => `generation_config.${(knob.field ?? knob.name).replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}`;

/** The draft of this tab. */
export function load() {
  draft ??= kept();
  return draft;
}

function kept() {
  const empty = { model: "", models: [], system: "", turns: [{ role: "user", text: "" }], knobs: {}, tools: "", schema: "" };
  try {
    return { ...empty, ...JSON.parse(sessionStorage.getItem(KEEP) ?? "{}") };
  } catch {
    return empty;
  }
}

/** Keeps the draft until the tab is closed; without its files, if they are too large for that. */
export function save(draft) {
  try {
    sessionStorage.setItem(KEEP, JSON.stringify(draft));
  } catch {
    try {
      sessionStorage.setItem(KEEP, JSON.stringify(draft, (name, value) => (name === "files" ? undefined : value)));
    } catch {
      // It is too large to keep: it stays on the page.
    }
  }
}

/** The request of a draft. Throws an Error that says which part cannot be read. */
export function requestOf(draft, model = draft.model) {
  const messages = draft.turns.map(({ role, text, files }) => message(role, text, files)).filter(({ parts }) => parts.length);
  if (!messages.length) throw new Error("Write a message first.");
  if (!model) throw new Error("Choose a model first.");
  if (draft.system.trim()) messages.unshift(message("system", draft.system));
  const request = { model, messages, unsupportedFieldPolicy: "UNSUPPORTED_FIELD_POLICY_WARN" };
  const config = configOf(draft);
  if (Object.keys(config).length) request.generationConfig = config;
  if (draft.tools.trim()) request.tools = toolsOf(parsed(draft.tools, "Tools"));
  return request;
}

function configOf({ knobs, schema }) {
  const config = {};
  for (const knob of KNOBS) {
    const value = knobs[knob.name];
    if (value === undefined || value === "" || value === null) continue;
    if (knob.name === "stopSequences") config.stopSequences = value.split(",").map((one) => one.trim()).filter(Boolean);
    else if (knob.name === "effort") config.reasoning = { effort: `REASONING_EFFORT_${value}` };
    else if (knob.name === "seed") config.seed = String(Math.trunc(Number(value)));
    else config[knob.name] = Number(value);
  }
  if (schema.trim()) {
    parsed(schema, "Schema of the answer");
    config.responseFormat = { jsonSchema: { name: "answer", schemaJson: schema } };
  }
  return config;
}

/** Tools as the native API has them, of those or of OpenAI's form. */
function toolsOf(tools) {
  return (Array.isArray(tools) ? tools : [tools]).map((tool) => {
    const made = tool.function ?? tool;
    const schema = made.parametersJsonSchema ?? JSON.stringify(made.parameters ?? { type: "object" });
    return { function: { name: made.name, description: made.description ?? "", parametersJsonSchema: schema } };
  });
}

function parsed(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`);
  }
}

/** Only people attach files. */
function message(role, text, files = []) {
  const blobs = role === "user" ? files.map(({ type, data, name }) => ({ blob: { mediaType: type, data, name } })) : [];
  return { role: `ROLE_${role.toUpperCase()}`, parts: [...(text.trim() ? [{ text }] : []), ...blobs] };
}

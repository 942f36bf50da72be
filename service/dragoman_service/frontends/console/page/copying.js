// The request of the form as a program: never with the key.

import { urlOf } from "./attach.js";

const GRPC = `${location.hostname || "localhost"}:50051`;
const base = () => new URL("..", document.baseURI).href.replace(/\/$/, "");
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const string = JSON.stringify;
const LONGEST = 40_000; // characters of an argument: Linux takes 128 KiB
const isLong = (text) => quoted(text).length > LONGEST;
/** A text for a command: an argument, or `input` followed, at the command's end, by `fed`. */
const given = (text, input) => (isLong(text) ? input : quoted(text));
const fed = (text) => (isLong(text) ? ` <<'END'\n${text}\nEND\n` : "\n");

/** The forms that a request can be copied in, by name. */
export const FORMS = {
  "curl (OpenAI)": (request) =>
    `curl ${quoted(`${base()}/v1/chat/completions`)} \\\n  -H 'content-type: application/json' -H "authorization: Bearer $DRAGOMAN_API_KEY" \\\n  -d ${given(json(openai(request)), "@-")}${fed(json(openai(request)))}`,
  "curl (native)": (request) =>
    `curl ${quoted(`${base()}/dragoman.v1.CompletionService/CreateCompletion`)} \\\n  -H 'content-type: application/json' -H "authorization: Bearer $DRAGOMAN_API_KEY" \\\n  -d ${given(json(request), "@-")}${fed(json(request))}`,
  grpcurl: (request) =>
    `grpcurl -plaintext -H "authorization: Bearer $DRAGOMAN_API_KEY" -d ${given(json(request), "@")} \\\n  ${GRPC} dragoman.v1.CompletionService/StreamCompletion${fed(json(request))}`,
  "Python (openai)": (request) =>
    `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=${string(`${base()}/v1`)}, api_key=os.environ.get("DRAGOMAN_API_KEY", "none"))\nstream = client.chat.completions.create(stream=True, **${python(openai(request))})\nfor chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)\n`,
  Python: (request) =>
    `import os\n\nimport grpc\nfrom dragoman import v1\nfrom google.protobuf.json_format import ParseDict\n\nrequest = ParseDict(${python(request)}, v1.CompletionRequest())\nkey = [("authorization", f"Bearer {os.environ['DRAGOMAN_API_KEY']}")] if "DRAGOMAN_API_KEY" in os.environ else []\nwith grpc.insecure_channel(${string(GRPC)}) as channel:\n    for event in v1.CompletionServiceStub(channel).StreamCompletion(request, metadata=key):\n        print(event.delta.text, end="", flush=True)\n`,
  Go: (request) =>
    `request := &dragomanv1.CompletionRequest{}\nif err := protojson.Unmarshal([]byte(\`${json(request).replaceAll("`", '` + "`" + `')}\`), request); err != nil {\n\tlog.Fatal(err)\n}\nstream, err := dragomanv1.NewCompletionServiceClient(connection).StreamCompletion(ctx, request)\n`,
  TypeScript: (request) =>
    `import { fromJson } from "@bufbuild/protobuf";\n\nconst request = fromJson(CompletionRequestSchema, ${json(request)});\nfor await (const event of client.completions.streamCompletion(request)) {\n  if (event.event.case === "delta" && event.event.value.content.case === "text") process.stdout.write(event.event.value.content.value);\n}\n`,
};

const json = (value) => JSON.stringify(value, null, 2);

/** The request as OpenAI's API has it. */
function openai(request) {
  const config = request.generationConfig ?? {};
  const body = {
    model: request.model,
    messages: request.messages.map((one) => ({ role: one.role.slice(5).toLowerCase(), content: contentOf(one.parts) })),
    temperature: config.temperature, top_p: config.topP, max_completion_tokens: config.maxOutputTokens, n: config.choiceCount,
    seed: config.seed === undefined ? undefined : Number(config.seed), stop: config.stopSequences,
    presence_penalty: config.presencePenalty, frequency_penalty: config.frequencyPenalty,
    reasoning_effort: config.reasoning?.effort.slice("REASONING_EFFORT_".length).toLowerCase(),
    tools: request.tools?.map(({ function: tool }) => ({
      type: "function", function: { name: tool.name, description: tool.description, parameters: JSON.parse(tool.parametersJsonSchema) },
    })),
  };
  const schema = config.responseFormat?.jsonSchema?.schemaJson;
  if (schema) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema: JSON.parse(schema) } };
  return JSON.parse(JSON.stringify(body));
}

/** A lone text as it is, otherwise a list: images and other files as addresses that hold them. */
function contentOf(parts) {
  if (parts.length === 1 && parts[0].text !== undefined) return parts[0].text;
  return parts.map(({ text, blob }) => {
    if (!blob) return { type: "text", text };
    const url = urlOf({ type: blob.mediaType, data: blob.data });
    if (blob.mediaType.startsWith("image/")) return { type: "image_url", image_url: { url } };
    return { type: "file", file: { filename: blob.name, file_data: url } };
  });
}

/** A value as Python writes it. */
function python(value) {
  return json(value).replace(/("(?:[^"\\]+|\\.)*")|\btrue\b|\bfalse\b|\bnull\b/g, (found, text) =>
    text ?? { true: "True", false: "False", null: "None" }[found]);
}

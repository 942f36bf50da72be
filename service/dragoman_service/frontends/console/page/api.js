// The native API as JSON over HTTP. URLs are relative to the console's folder, so that it works below any path.

const ROOT = new URL("..", document.baseURI);
let key = sessionStorage.getItem("key") ?? "";

/** The API key that is sent; kept in memory, or in this tab if `keep`. */
export function setKey(value, keep) {
  key = value.trim();
  if (keep && key) sessionStorage.setItem("key", key);
  else sessionStorage.removeItem("key");
}

export const getKey = () => key;

/** Why a call failed: `code` as in `not_found`, `reason` as in `MODEL_NOT_FOUND`. */
export class CallError extends Error {
  constructor(code, message, reason = "", retryAfter = 0) {
    super(message);
    Object.assign(this, { code, reason, retryAfter });
  }
}

/** Calls a unary method, as in call("dragoman.v1.ModelService/ListModels", {}). */
export async function call(method, request = {}) {
  const response = await post(method, request, "application/json");
  return response.json();
}

/** Yields the events of a server-streaming method. */
export async function* stream(method, request, signal) {
  const response = await post(method, request, "text/event-stream", signal);
  for await (const { event, data } of lines(response.body)) {
    if (event === "error") throw errorOf(JSON.parse(data));
    if (data) yield JSON.parse(data);
  }
}

async function post(method, request, accept, signal) {
  const headers = { "content-type": "application/json", accept };
  if (key) headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(new URL(method, ROOT), {
      method: "POST", headers, body: JSON.stringify(request), signal, cache: "no-store", credentials: "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallError("unreachable", "The service cannot be reached.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw errorOf({ ...body, retryAfter: Number(response.headers.get("retry-after") ?? 0) }, response.status);
}

function errorOf(body, status) {
  const told = body.error ?? body;
  const info = (told.details ?? []).map((one) => one.debug ?? one).find((one) => one?.reason);
  return new CallError(
    told.code ?? "unknown", told.message || `The service answered with status ${status}.`, info?.reason, body.retryAfter,
  );
}

/** The events of a stream of server-sent events. A stream that breaks off raises `unreachable`. */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { event: "message", data: "" };
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        if (error.name === "AbortError") throw error;
        throw new CallError("unreachable", "The connection was lost.");
      });
      if (done) return;
      const parts = (rest + value).split(/\r?\n/);
      rest = parts.pop();
      for (const line of parts) {
        if (line === "") {
          if (event.data) yield event;
          event = { event: "message", data: "" };
        } else if (line.startsWith("data:")) {
          event.data += line.slice(line[5] === " " ? 6 : 5);
        } else if (line.startsWith("event:")) {
          event.event = line.slice(6).trim();
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

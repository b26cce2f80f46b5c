// Requests to /v1. The session is a cookie that no script can read; nothing else is kept in the browser.

/** An answer that is no success, or none at all (`status` 0). */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = null) {
    super(body.message ?? "the gateway does not answer");
    this.status = status;
    this.word = body.error ?? "unreachable";
    this.hint = body.hint ?? "";
    this.retryAfter = retryAfter;
  }
}

let sessionOver = () => {};

/** Calls `then` whenever a request finds that nobody is logged in any more. */
export function onSessionOver(then) {
  sessionOver = then;
}

/** GET; the answer's JSON. Parameters that are null or empty are left out. */
export function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  // A plus sign stays one in /v1, so a blank has to be written in full.
  return send("GET", text === "" ? path : `${path}?${text.replaceAll("+", "%20")}`);
}

/** A request that changes something. The header is what no other site's page can send. */
export function change(method, path, { body, key, within } = {}) {
  const headers = { "Keyturner-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  return send(method, path, { headers, body: body === undefined ? undefined : JSON.stringify(body) }, within);
}

async function send(method, path, more = {}, within = 20_000) {
  let answer, text;
  try {
    answer = await fetch(`/v1${path}`, { method, ...more, cache: "no-store", signal: AbortSignal.timeout(within) });
    text = await answer.text();
  } catch {
    throw new Problem(0);
  }
  if (answer.ok) return text === "" ? null : JSON.parse(text);
  const problem = new Problem(answer.status, read(text), Number(answer.headers.get("Retry-After")) || null);
  if (problem.status === 401 && path !== "/session") sessionOver();
  throw problem;
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    // What is refused before /v1 has a look is plain text.
    return { error: "refused", message: text };
  }
}

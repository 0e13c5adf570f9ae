// Questions to the server that this page came from, by the routes that everybody uses.

const ROOT = new URL("..", import.meta.url).href; // this file is in /explorer, wherever a proxy has put that
const KEY = "wordkin-key";
let key = "";
try {
  key = sessionStorage.getItem(KEY) ?? "";
} catch {
  // A browser that keeps nothing: the key is then asked for at each load.
}

/** What the server refused, as it said it (RFC 9457). */
export class Problem extends Error {
  constructor(status, said, retryAfter) {
    super(said.detail || said.title || `the server answered ${status}`);
    this.status = status;
    this.type = (said.type || "").split(":").pop();
    this.oov = said.oov || [];
    this.suggestions = said.suggestions || [];
    this.retryAfter = retryAfter;
  }

  /** Whether `word`, as it was typed, is one that is not known; the server may have lower-cased it. */
  concerns(word) {
    return this.oov.includes(word) || this.oov.includes(word.toLowerCase());
  }
}

/** The key to ask with from now on; empty for none. It is kept for this tab. */
export function keepKey(given) {
  key = given;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // As above.
  }
}

export function hasKey() {
  return key !== "";
}

/** Where a question goes: parameters that are undefined or empty are left out. */
export function addressOf(path, parameters = {}) {
  const named = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(named).toString();
  return ROOT + path.slice(1) + (query ? `?${query}` : "");
}

/** The JSON answer to GET, or to POST where there is a body. Throws Problem, and AbortError once `signal` is aborted. */
export async function ask(path, { parameters, body, signal, patient = true } = {}) {
  const headers = {};
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(addressOf(path, parameters), {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "the server does not answer" });
  }
  const said = await answer.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return answer.ok ? undefined : {};
  });
  if (!said) throw new Problem(0, { detail: "the server's answer was cut short" });
  if (answer.ok) return said;
  const wait = Number(answer.headers.get("retry-after"));
  if (answer.status === 429 && patient && wait > 0 && wait <= 3) {
    await pause(1000 * wait, signal);
    return ask(path, { parameters, body, signal, patient: false });
  }
  throw new Problem(answer.status, said, answer.headers.get("retry-after"));
}

/** The same question for a terminal. */
export function curlOf(path, { parameters, body } = {}) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const header = hasKey() ? ' -H "Authorization: Bearer $WORDKIN_KEY"' : "";
  const json = body ? ` --json ${quote(JSON.stringify(body))}` : "";
  return `curl ${quote(addressOf(path, parameters))}${header}${json}`;
}

/** The vectors of words, in their order, as Float32Array. */
export async function askVectors(context, words, signal) {
  const { results } = await context.ask("/vectors", { body: { words, encoding: "base64" }, signal });
  return results.map(({ vector }) => {
    const bytes = Uint8Array.from(atob(vector), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

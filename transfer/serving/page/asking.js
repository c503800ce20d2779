// Requests to the server, and what their failures are called. Nothing is loaded from other hosts.

const KEY = "transfer-api-key";
let key = "";
try { key = sessionStorage.getItem(KEY) || ""; } catch { /* no access to storage: the key is kept until the page is closed */ }

export const hasKey = () => Boolean(key);

export function keepKey(text) {
  key = text.trim();
  try { sessionStorage.setItem(KEY, key); } catch { /* as above */ }
}

// Return {answer}, or {refused: true} where a key is wanted, or {words, detail, again} in plain words.
export async function explain(image, className, signal) {
  const form = new FormData();
  form.append("file", image, image.name || "image");
  if (className) form.append("class", className);
  try {
    const response = await fetch("explain", { method: "POST", body: form, headers: headers(), signal, credentials: "same-origin" });
    const body = await response.json().catch(() => null);
    if (response.status === 401) return { refused: true };
    if (response.ok && body) return { answer: body };
    return failure(response.status, detailOf(body), response.headers.get("Retry-After"));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return failure(0, "", null);
  }
}

// Return what the server says of itself at one of its addresses, or null.
export async function about(address) {
  try {
    const response = await fetch(address, { headers: headers(), credentials: "same-origin" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function headers() {
  return key ? { "X-API-Key": key } : {};
}

function detailOf(body) {
  const said = body && (body.error ?? body.detail);
  return typeof said === "string" ? said.slice(0, 300) : "";
}

const WORDS = {
  0: "The server cannot be reached.",
  400: "The file is not an image that the network can read.",
  403: "The server does not allow this request.",
  408: "The image took too long to arrive.",
  413: "The image is too large for this server.",
  415: "The file is not an image that the network can read.",
  422: "The file is not an image that the network can read.",
  429: "The server is busy. Try again in a moment.",
  503: "The server is busy or not ready. Try again in a moment.",
  504: "The server took too long. Try again in a moment.",
};

function failure(status, detail, after) {
  let words = WORDS[status] || (status >= 500 ? "The server could not answer." : "The server refused the image.");
  const seconds = Number(after);
  if (status === 429 && seconds > 1) words = `The server is busy. Try again in ${Math.ceil(seconds)} seconds.`;
  return { words, detail, again: status === 0 || status === 408 || status === 429 || status >= 500 };
}

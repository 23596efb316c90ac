/* The public API, as this page needs it. Errors are Problems, which say what a person can do about them. */

let key = "";

export function useKey(value) {
  key = value;
}

export class Problem extends Error {
  /** status 0: the server does not answer. retryAfter: seconds, or null. */
  constructor(message, status, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("", 0);
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Problem(said.error ?? response.statusText, response.status, seconds || null);
  }
  return response;
}

const authorized = () => (key ? { Authorization: `Bearer ${key}` } : {});

function posted(body, signal) {
  return { method: "POST", headers: { "Content-Type": "application/json", ...authorized() }, body: JSON.stringify(body), signal };
}

export const get = async (path) => (await ask(path, { headers: authorized() })).json();
export const getText = async (path) => (await ask(path, { headers: authorized() })).text();
export const post = async (path, body, signal) => (await ask(path, posted(body, signal))).json();

/** Translate a text; calls onSentence for each as it comes, and returns the answer. */
export async function stream(body, onSentence, signal) {
  const response = await ask("translate", posted({ ...body, stream: true }, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem("", 0);
    }
    if (part.done) throw new Problem("", 0); // gone before the answer
    rest += part.value;
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event);
      const said = JSON.parse(data);
      if (name === "sentence") onSentence(said);
      if (name === "answer") return said;
      if (name === "error") throw new Problem(said.error, 504);
    }
  }
}

/** Translate a file; onSent is told the share of it that is on its way. Returns where its translation is. */
export function sendFile(file, fields, onSent, signal) {
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much is sent
    request.open("POST", "translate_file");
    request.responseType = "json";
    for (const [name, value] of Object.entries(authorized())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(request.response.translatedFileUrl);
      else reject(new Problem(request.response?.error ?? "", request.status, Number(request.getResponseHeader("Retry-After")) || null));
    };
    request.onerror = () => reject(new Problem("", 0));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

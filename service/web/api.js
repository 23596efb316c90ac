/* The public API, as this page needs it. Errors are Problems, which say what a person can do about them. */

const RETRY_SECONDS = 2;
let key = "";

export function useKey(value) {
  key = value;
}

export const hasKey = () => Boolean(key);

export class Problem extends Error {
  /** status 0: the server does not answer; null: a file could not be sent. retryAfter: seconds. */
  constructor(message, status, retryAfter = RETRY_SECONDS) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

function wait(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("", "AbortError"));
    });
  });
}

/** Do some work, again and again while the service is busy or gone; onProblem is told each time why it has to wait. */
export async function persist(work, onProblem, signal) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Problem) || ![0, 429, 503].includes(error.status)) throw error;
      onProblem(error);
      await wait(error.retryAfter, signal);
    }
  }
}

const retryAfter = (header) => Number(header) || RETRY_SECONDS;

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
    throw new Problem(said.error ?? response.statusText, response.status, retryAfter(response.headers.get("Retry-After")));
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
      if (name === "error") throw new Problem(said.error, said.status);
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
      else reject(new Problem(request.response?.error ?? "", request.status, retryAfter(request.getResponseHeader("Retry-After"))));
    };
    request.onerror = () => reject(new Problem("", null)); // as where it is refused before all of it is sent
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

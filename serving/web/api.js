// The server's API as functions. Every failure is a Problem (RFC 9457).

import { anotherKey, currentKey } from "./sign_in.js";

const RETRIES = 3;
const BUSY = new Set([429, 503]);

export class Problem extends Error {
  // `mayPass`: sending the same again may help.
  constructor(title, detail, remedy = "", mayPass = true) {
    super(title);
    this.title = title;
    this.detail = [detail, remedy].filter(Boolean).join(" ");
    this.mayPass = mayPass;
  }
}

// `mayAsk`: whether a person may be asked for a key.
export function currentModel(mayAsk) {
  return call("model", {}, mayAsk);
}

// `onWait(seconds)` is told when the server is busy and the image is sent again later.
export async function predict(file, onWait) {
  for (let attempt = 0; ; attempt += 1) {
    const form = new FormData();
    form.append("file", file, "image"); // a file's name may be a patient's name
    const response = await reach("predict?explain=true", { method: "POST", body: form });
    if (!BUSY.has(response.status) || attempt === RETRIES) return read(response);
    const seconds = Number(response.headers.get("Retry-After")) || 2;
    onWait(seconds);
    await new Promise((resume) => setTimeout(resume, 1000 * seconds));
  }
}

export function sendFeedback(feedback) {
  return call("feedback", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(feedback),
  });
}

export async function call(path, options, mayAsk) {
  return read(await reach(path, options, mayAsk));
}

export async function reach(path, options, mayAsk = true) {
  try {
    for (;;) {
      const response = await fetch(path, withKey(options));
      if (response.status !== 401 || !mayAsk || !(await anotherKey())) return response;
    }
  } catch {
    throw new Problem(
      "The server does not answer",
      "The connection failed.",
      "Check that it runs, then try again.",
    );
  }
}

function withKey(options) {
  const key = currentKey();
  return key ? { ...options, headers: { ...options.headers, "X-API-Key": key } } : options;
}

export async function read(response) {
  let content;
  try {
    content = await response.json();
  } catch {
    throw new Problem("The answer cannot be read", `The server sent status ${response.status}.`);
  }
  if (!response.ok) {
    const { title = "The request failed", detail, remedy } = content;
    throw new Problem(title, detail, remedy, BUSY.has(response.status) || response.status >= 500);
  }
  return content;
}

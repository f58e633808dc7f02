// The review queue as functions. Every failure is a Problem.

import { call, reach, read } from "./api.js";

const ROOT = "v1/review";

export function nextTurn() {
  return call(`${ROOT}/next`, { method: "POST" });
}

// The picture as an object URL, which its user gives back.
export async function picture(id) {
  const response = await reach(`${ROOT}/${id}/image`, {});
  if (!response.ok) await read(response);
  return URL.createObjectURL(await response.blob());
}

export function give(id, label) {
  return call(`${ROOT}/${id}/label`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ label }),
  });
}

export function reveal(id) {
  return call(`${ROOT}/${id}/reveal`, { method: "POST" });
}

export function skip(id) {
  return done(`${ROOT}/${id}/skip`);
}

export function undo(id) {
  return done(`${ROOT}/${id}/undo`);
}

async function done(path) {
  const response = await reach(path, { method: "POST" });
  if (response.status !== 204) await read(response);
}

// The form with which a person corrects an answer.

import { sendFeedback } from "./api.js";

let author = ""; // typed once, offered on every card

export function prepareCorrection(details, answer, group) {
  const form = details.querySelector("form");
  const status = form.querySelector(".form-status");
  const name = form.querySelector(".author");
  const labels = Object.keys(answer.probabilities);
  form.querySelector(".choices").append(...labels.map((label) => choice(label, group)));
  details.addEventListener("toggle", () => {
    if (details.open && !name.value) name.value = author;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    author = name.value.trim();
    const button = form.querySelector("button");
    button.disabled = true;
    status.dataset.state = "waiting";
    status.textContent = "Saving…";
    try {
      await sendFeedback({
        request_id: answer.request_id,
        label: form.elements[group].value,
        author,
        comment: form.querySelector(".comment").value.trim(),
      });
      status.dataset.state = "saved";
      status.textContent = "Saved. Thank you.";
    } catch (problem) {
      status.dataset.state = "failed";
      status.textContent = `${problem.title}. ${problem.detail ?? ""}`;
    } finally {
      button.disabled = false;
    }
  });
}

function choice(label, group) {
  const wrapper = document.createElement("label");
  wrapper.className = "choice";
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: group, value: label, required: true });
  const text = document.createElement("span");
  text.textContent = label;
  wrapper.append(input, text);
  return wrapper;
}

// The review page: one image at a time, a label by key or button, the model's answer afterwards.

import { inWords } from "./reasons.js";
import { give, nextTurn, picture, reveal, skip, undo } from "./review_api.js";

const byId = (id) => document.getElementById(id);
const REASONS = {
  low_confidence: "the model was unsure",
  disagreement: "the model’s members differ",
  outlier: "the image is unlike those the model learned from",
  drift: "it shows what changed in the images lately",
  random: "chance chose it",
};
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

const seen = []; // what this tab was shown: { id, label, answer }
let at = -1; // which of them is in sight
let turn = null; // what the server said last
let busy = false;

const current = () => seen[at] ?? null;
const last = () => seen.findLast((image) => image.label !== null) ?? null;

// One thing at a time: a key that is held down gives no second label.
async function doing(work) {
  if (busy) return;
  busy = true;
  show();
  try {
    await work();
    byId("problem").hidden = true;
  } catch (problem) {
    showProblem(problem);
  } finally {
    busy = false;
    show();
  }
}

async function ask() {
  turn = await nextTurn();
  if (turn.review_id === null) {
    at = seen.length;
    forgetPicture();
  } else {
    const known = seen.findIndex((image) => image.id === turn.review_id);
    if (known >= 0) seen.splice(known, 1);
    seen.push({ id: turn.review_id, label: null, answer: null });
    at = seen.length - 1;
    await showPicture();
  }
  const rest = `${turn.waiting} ${turn.waiting === 1 ? "image waits" : "images wait"}.`;
  say(turn.review_id === null ? "Nothing waits for you." : `An image to label. ${rest}`);
}

async function label(name) {
  const image = current();
  if (!image || image.label !== null) return;
  await give(image.id, name);
  image.label = name;
  await ask();
  say(`Labelled ${name}. ${byId("news").textContent}`);
}

async function pass() {
  const image = current();
  if (!image || image.label !== null) return;
  await skip(image.id);
  seen.splice(at, 1);
  await ask();
}

async function takeBack() {
  const image = last();
  if (!image) return;
  await undo(image.id);
  image.label = null;
  turn = { ...turn, labelled: turn.labelled - 1, waiting: turn.waiting + 1 };
  const open = seen.findIndex((other) => other.label === null && other !== image);
  if (open >= 0) seen.splice(open, 1); // the server keeps it for this person
  at = seen.indexOf(image);
  await showPicture();
  say("The label was taken back.");
}

async function goTo(place) {
  if (place < 0 || place > seen.length || place === at) return;
  if (place === seen.length) {
    await ask();
    return;
  }
  at = place;
  await showPicture();
  const { label: given } = current();
  say(given === null ? "The image to label." : `An earlier image, labelled ${given}.`);
}

async function showAnswer() {
  const image = current();
  if (!image || image.answer || (turn.blinded && image.label === null)) return;
  image.answer = await reveal(image.id);
  say(`The model said ${image.answer.label}.`);
}

function forgetPicture() {
  const place = byId("picture");
  if (place.src) URL.revokeObjectURL(place.src);
  place.removeAttribute("src");
  place.hidden = true;
}

async function showPicture() {
  const source = await picture(current().id);
  forgetPicture();
  byId("picture").src = source;
  byId("picture").hidden = false;
}

function show() {
  const image = current();
  const open = image !== null && image.label === null;
  if (turn) {
    byId("progress").textContent = `${turn.labelled} labelled today · ${turn.waiting} waiting`;
    showLabels(image, open);
  }
  byId("nothing").hidden = !turn || image !== null || !byId("problem").hidden;
  byId("say-title").textContent = title(image, open);
  byId("say-note").textContent = note(image, open);
  enable("skip", open);
  enable("undo", last() !== null);
  enable("back", at > 0 && seen.length > 0);
  enable("forward", at < seen.length - 1 || (image !== null && !open));
  enable("reveal", image !== null && !image.answer && (!open || !turn.blinded));
  byId("reveal").hidden = Boolean(image?.answer);
  showRevealed(image?.answer ?? null);
}

function title(image, open) {
  if (image === null) return turn ? "All labelled" : "What do you see?";
  return open ? "What do you see?" : "Your label";
}

function note(image, open) {
  if (image === null) return "";
  if (!open) return "To change it, undo it first. The last label can be undone for a while.";
  if (image.answer) return "You have seen the model’s answer; your label will say so.";
  return turn.blinded
    ? "The model’s answer is hidden until you have given yours."
    : "Answer first, if you can: a label given afterwards says that you had seen the model’s.";
}

function showLabels(image, open) {
  const place = byId("labels");
  if (place.childElementCount !== turn.labels.length) {
    place.replaceChildren(...turn.labels.map(labelButton));
  }
  for (const button of place.children) {
    const chosen = image !== null && image.label === button.dataset.label;
    button.setAttribute("aria-pressed", String(chosen));
    button.setAttribute("aria-disabled", String(!open));
  }
}

function labelButton(name, index) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "say-label";
  button.dataset.label = name;
  const key = document.createElement("kbd");
  key.textContent = String(index + 1);
  key.setAttribute("aria-hidden", "true");
  if (index < 9) button.setAttribute("aria-keyshortcuts", String(index + 1));
  button.append(name, ...(index < 9 ? [key] : []));
  button.addEventListener("click", () => doing(() => label(name)));
  return button;
}

function showRevealed(answer) {
  byId("answer").hidden = answer === null;
  if (answer === null) return;
  const decision = answer.decision === "refer" ? "referred to a person" : "reported";
  byId("answer-label").textContent = `${answer.label}, ${decision}`;
  const bars = Object.entries(answer.probabilities).map(([name, share]) => {
    const row = document.createElement("li");
    const meter = document.createElement("meter");
    meter.value = share;
    meter.setAttribute("aria-label", name);
    const text = document.createElement("span");
    text.textContent = `${name} ${percent.format(share)}`;
    row.append(text, meter);
    return row;
  });
  byId("answer-bars").replaceChildren(...bars);
  const why = inWords(answer.reasons);
  const asked = `You were asked because ${REASONS[answer.reason]}.`;
  byId("answer-why").textContent = [asked, ...why.map((text) => `${text}.`)].join(" ");
}

// A disabled button would lose the focus to the page's beginning.
function enable(id, may) {
  byId(id).setAttribute("aria-disabled", String(!may));
}

function showProblem(problem) {
  if (!problem.title) throw problem;
  byId("problem-title").textContent = problem.title;
  byId("problem-detail").textContent = problem.detail;
  byId("problem").hidden = false;
  byId("picture").hidden = true;
  say(`${problem.title}. ${problem.detail}`);
}

function say(text) {
  byId("news").textContent = text;
}

const WAYS = {
  s: { button: "skip", work: pass },
  u: { button: "undo", work: takeBack },
  b: { button: "back", work: () => goTo(Math.min(at, seen.length) - 1) },
  n: { button: "forward", work: () => goTo(at + 1) },
  r: { button: "reveal", work: showAnswer },
};

for (const { button, work } of Object.values(WAYS)) {
  byId(button).addEventListener("click", () => {
    if (byId(button).getAttribute("aria-disabled") !== "true") doing(work);
  });
}
for (const id of ["look-again", "retry"]) byId(id).addEventListener("click", () => doing(ask));

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), textarea");
  const withOthers = event.ctrlKey || event.metaKey || event.altKey;
  if (typing || withOthers || event.repeat || !byId("keys").checked || byId("sign-in").open) return;
  const name = turn?.labels[Number(event.key) - 1];
  const way = WAYS[event.key.toLowerCase()];
  if (name) doing(() => label(name));
  else if (way) byId(way.button).click();
  else return;
  event.preventDefault();
});

doing(ask);

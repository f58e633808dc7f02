// The page: files come in, cards go up, the header says which model answers.

import { currentModel, predict } from "./api.js";
import { Card } from "./card.js";
import { inWords } from "./reasons.js";

const AT_ONCE = 2;
const MODEL_EVERY_MS = 15_000;
const SPOKEN_LINES = 20;

const byId = (id) => document.getElementById(id);
const queue = [];
const cards = new Set();
let running = 0;

function accept(files) {
  for (const file of files) {
    const card = new Card(file, () => enqueue(card));
    cards.add(card);
    byId("cards").prepend(card.element);
    enqueue(card);
  }
  byId("answers").hidden = cards.size === 0;
  if (files.length) announce(`${files.length} ${files.length === 1 ? "image" : "images"} sent.`);
}

function enqueue(card) {
  card.showWaiting("Waiting for its turn…");
  queue.push(card);
  work();
}

async function work() {
  if (running >= AT_ONCE || queue.length === 0) return;
  running += 1;
  await answer(queue.shift());
  running -= 1;
  work();
}

async function answer(card) {
  card.showWaiting("Looking at the image…");
  try {
    const result = await predict(card.file, (seconds) =>
      card.showWaiting(`The server is busy; asking again in ${seconds} s…`),
    );
    card.showAnswer(result);
    const { decision, reasons } = result;
    const spoken = decision === "refer" ? `refer to a person: ${inWords(reasons).join("; ")}` : "report";
    announce(`${card.file.name}: ${result.label}, ${spoken}.`);
  } catch (problem) {
    card.showProblem(problem);
    announce(`${card.file.name}: ${problem.title}. ${problem.detail}`);
  }
}

// Added, not replaced: answers that come close together are all spoken.
function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  const log = byId("log");
  log.append(line);
  if (log.childElementCount > SPOKEN_LINES) log.firstElementChild.remove();
}

async function showModel(mayAsk) {
  const place = byId("model");
  try {
    const model = await currentModel(mayAsk);
    const alias = model.alias ? `, ${model.alias}` : "";
    byId("model-text").textContent = `Model version ${model.version}${alias}`;
    place.title = `${model.name}, bundle ${model.bundle}`;
    place.dataset.state = "ready";
  } catch (problem) {
    byId("model-text").textContent = problem.title;
    place.dataset.state = "away";
  }
}

function listenForFiles() {
  const input = byId("files");
  const zone = byId("drop");
  input.addEventListener("change", () => {
    accept([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  // A file dropped beside the zone would otherwise replace the page.
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }
  window.addEventListener("dragover", () => zone.classList.add("drop-over"));
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("drop-over");
  });
  window.addEventListener("drop", (event) => {
    zone.classList.remove("drop-over");
    accept([...event.dataTransfer.files]);
  });
  window.addEventListener("paste", (event) => accept([...event.clipboardData.files]));
}

byId("clear").addEventListener("click", () => {
  queue.length = 0;
  for (const card of cards) card.remove();
  cards.clear();
  byId("answers").hidden = true;
  announce("All answers were cleared from this page.");
  byId("files").focus();
});

listenForFiles();
// Whoever says "not now" is asked again only when an image needs it.
showModel(true);
setInterval(showModel, MODEL_EVERY_MS, false);

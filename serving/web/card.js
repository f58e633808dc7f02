// One card: an image, then its answer or the problem that it met.

import { prepareCorrection } from "./correction.js";
import { kindOf } from "./picture.js";
import { inWords } from "./reasons.js";

const template = document.getElementById("card-template");
const DECISIONS = { report: "Report: this answer passes every check", refer: "Refer to a person" };
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
let count = 0;

export class Card {
  constructor(file, onRetry) {
    this.file = file;
    this.element = template.content.firstElementChild.cloneNode(true);
    count += 1;
    const title = this.find(".file-name");
    title.textContent = file.name;
    this.id = `card-${count}`;
    title.id = `${this.id}-title`;
    this.find("article").setAttribute("aria-labelledby", title.id);
    this.find(".problem-retry").addEventListener("click", onRetry);
    this.showPicture();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  async showPicture() {
    const kind = await kindOf(this.file);
    if (kind.viewable) {
      this.objectUrl = URL.createObjectURL(this.file);
      this.find(".picture").addEventListener("error", () =>
        this.showPlaceholder(kind, "Cannot be shown"),
      );
      this.showSource(this.objectUrl);
    } else if (this.find(".picture").hidden) {
      this.showPlaceholder(kind, kind.known ? "Shown with its answer" : "Cannot be shown");
    }
  }

  showSource(source) {
    const picture = this.find(".picture");
    picture.alt = `The image ${this.file.name}`;
    picture.src = source;
    picture.hidden = false;
    this.find(".placeholder").hidden = true;
  }

  showPlaceholder(kind, note) {
    this.find(".picture").hidden = true;
    this.find(".placeholder-type").textContent = kind.name;
    this.find(".placeholder-note").textContent = note;
    this.find(".placeholder").hidden = false;
  }

  showWaiting(text) {
    this.find(".waiting-text").textContent = text;
    this.show("waiting");
  }

  showProblem(problem) {
    this.find(".problem-title").textContent = problem.title;
    this.find(".problem-detail").textContent = problem.detail;
    this.find(".problem-retry").hidden = !problem.mayPass;
    this.find(".placeholder-note").textContent = "Cannot be shown";
    this.show("problem");
  }

  showAnswer(answer) {
    const { decision, reasons } = answer;
    this.find(".label").textContent = answer.label;
    this.find(".decision").dataset.action = decision;
    this.find(".decision-title").textContent = DECISIONS[decision];
    this.find(".reasons").replaceChildren(...inWords(reasons).map((reason) => element("li", reason)));
    const bars = Object.entries(answer.probabilities).map(([label, share]) =>
      bar(label, share, label === answer.label),
    );
    this.find(".bars").replaceChildren(...bars);
    this.showPredictionSet(answer.prediction_set);
    this.find(".facts").replaceChildren(
      ...fact("Model", `${answer.model.name}, version ${answer.model.version}`),
      ...fact("Bundle", answer.model.bundle.slice(0, 12)),
      ...fact("Answered in", `${Math.round(answer.timings_ms.total)} ms`),
      ...fact("Image", `${answer.image.width} × ${answer.image.height} px`),
      ...fact("Request", answer.request_id),
    );
    this.find(".frame").style.setProperty("--ratio", answer.image.width / answer.image.height);
    if (answer.preview) this.showSource(answer.preview);
    if (answer.heat_map) this.showHeatMap(answer);
    prepareCorrection(this.find(".correction"), answer, `${this.id}-label`);
    this.show("answer");
  }

  // Only models that promise such sets answer with one.
  showPredictionSet(labels) {
    if (!labels) return;
    this.find(".set-labels").textContent = labels.join(", ") || "none fits this image";
    this.find(".set").hidden = false;
  }

  showHeatMap(answer) {
    const heat = this.find(".heat");
    const range = this.find(".blend-range");
    const blend = () => {
      heat.style.opacity = range.value / 100;
      this.find(".blend-value").textContent = `${range.value}%`;
    };
    range.id = `${this.id}-blend`;
    this.find(".blend-label").htmlFor = range.id;
    range.addEventListener("input", blend);
    blend();
    heat.src = answer.heat_map;
    heat.hidden = false;
    this.find(".blend").hidden = false;
    const note = this.find(".blend-note");
    note.textContent = `Yellow places spoke most for “${answer.label}”.`;
    note.hidden = false;
  }

  show(part) {
    for (const name of ["waiting", "problem", "answer"]) {
      this.find(`.${name}`).hidden = name !== part;
    }
  }

  // Browsers keep a picture in memory as long as its object URL exists.
  remove() {
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
    this.element.remove();
  }
}

function bar(label, share, chosen) {
  const row = element("li");
  row.className = chosen ? "bar bar-chosen" : "bar";
  const track = element("span");
  track.className = "bar-track";
  track.setAttribute("aria-hidden", "true");
  track.style.setProperty("--share", share);
  const value = element("span", inPercent(share));
  value.className = "bar-value";
  const name = element("span", label);
  name.className = "bar-name";
  row.append(name, track, value);
  return row;
}

// No answer is certain, so none is shown as if it were.
function inPercent(share) {
  if (share > 0.999) return "> 99.9%";
  if (share < 0.001) return "< 0.1%";
  return percent.format(share);
}

function fact(name, value) {
  return [element("dt", name), element("dd", value)];
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

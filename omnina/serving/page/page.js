// Sends what the form holds as JSON and shows what comes back. Texts go in as text, never as markup.
"use strict";

const LEVELS = 6; // colours of a base: whole bits, the last one for LEVELS - 1 bits or more
const SHADES = 5; // colours of a score's size, to either side
const form = document.getElementById("ask");
const results = document.getElementById("results");
const state = document.getElementById("state");
const stop = document.getElementById("stop");
let running = null;

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function scrolled(label, table) {
  return element("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": label }, table);
}

function row(kind, head, cells) {
  return element("tr", {}, element("th", { scope: "row" }, head), ...cells.map((cell) => element(kind, {}, cell)));
}

function showAnswer(answer) {
  const shown = element("article", { className: "result" });
  shown.append(element("h2", {}, answer.name));
  const percent = `${(100 * answer.probability).toFixed(1)} %`;
  shown.append(element("p", {}, element("strong", {}, answer.answer || "(no answer)"), ` probability ${percent}`));
  for (const note of answer.notes) shown.append(element("p", { className: "note" }, note));
  if (answer.labels) {
    const body = element("tbody");
    for (const { label, probability } of answer.labels) {
      const bar = element("meter", { min: 0, max: 1, value: probability, "aria-label": label });
      body.append(row("td", label, [probability.toFixed(3), bar]));
    }
    shown.append(scrolled("Probabilities of labels", element("table", {}, body)));
  }
  return shown;
}

function showTrack(track) {
  const shown = element("article", { className: "result" }, element("h2", {}, track.name));
  const mean = track.bits_per_base.toFixed(3);
  shown.append(element("p", {}, `${track.bases.length} bases, ${mean} bits per base (2 are chance)`));
  const bases = element("p", { className: "bases" });
  const level = (place) => Math.max(0, Math.min(Math.floor(track.bits[place]), LEVELS - 1));
  for (let start = 0; start < track.bases.length; ) {
    let end = start + 1;
    while (end < track.bases.length && level(end) === level(start)) end += 1;
    bases.append(element("span", { className: `cost${level(start)}` }, track.bases.slice(start, end)));
    start = end;
  }
  shown.append(bases, legend());
  return shown;
}

function legend() {
  const shown = element("p", { className: "note" }, "Bits that a base costs: ");
  for (let level = 0; level < LEVELS; level += 1) {
    const text = level === LEVELS - 1 ? `${level} or more` : `${level}`;
    shown.append(element("span", { className: `legend cost${level}` }, text), " ");
  }
  return shown;
}

function showScan(scan) {
  const shown = element("article", { className: "result" }, element("h2", {}, scan.name));
  const what = scan.answer === null ? "log-likelihood with the change less that without (nats)"
    : `change of the probability of "${scan.answer}"`;
  shown.append(element("p", {}, `Each base turned into each other: ${what}.`));
  const largest = Math.max(...scan.scores.flat().filter((score) => score !== null).map(Math.abs), 1e-9);
  const head = element("tr", {}, element("td"));
  [...scan.bases].forEach((base, place) => {
    head.append(element("th", { scope: "col" }, `${scan.first + place} ${base}`));
  });
  const body = element("tbody");
  [...scan.alternatives].forEach((alternative, column) => {
    const cells = scan.scores.map((scores) => scanCell(scores[column], largest));
    body.append(element("tr", {}, element("th", { scope: "row" }, alternative), ...cells));
  });
  const table = element("table", { className: "scan" }, element("thead", {}, head), body);
  shown.append(scrolled("Scores of substitutions", table));
  return shown;
}

function scanCell(score, largest) {
  if (score === null) return element("td", { className: "own" }, "-");
  const shade = Math.round((SHADES * Math.abs(score)) / largest);
  return element("td", { className: `${score < 0 ? "down" : "up"}${shade}` }, score.toFixed(3).replace(/^-(0\.000)$/, "$1"));
}

const WORK = {
  answer: { fields: ["question"], show: (found) => found.answers.map(showAnswer) },
  track: { fields: [], show: (found) => found.tracks.map(showTrack) },
  scan: { fields: ["question", "first", "last"], show: (found) => [showScan(found.scan)] },
};

function asked(fields) {
  const body = { sequences: document.getElementById("sequences").value };
  for (const name of fields) {
    const field = document.getElementById(name);
    body[name] = field.type === "number" ? Math.trunc(field.valueAsNumber) : field.value;
  }
  return body;
}

async function send(name) {
  running?.abort();
  const mine = (running = new AbortController());
  results.replaceChildren();
  state.textContent = "Working ...";
  stop.hidden = false;
  try {
    const began = performance.now();
    const response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked(WORK[name].fields)),
      signal: mine.signal,
    });
    const failure = { error: `The server answered with status ${response.status}.` };
    const found = await response.json().catch(() => failure);
    if (!response.ok) throw new Error(found.error);
    results.replaceChildren(...WORK[name].show(found));
    state.textContent = `Done in ${((performance.now() - began) / 1000).toFixed(1)} seconds.`;
    results.focus();
  } catch (error) {
    if (running !== mine) return; // another request has taken over the page
    state.textContent = error.name === "AbortError" ? "Stopped." : "";
    if (error.name !== "AbortError") {
      results.replaceChildren(element("p", { className: "error", role: "alert" }, error.message));
    }
  } finally {
    if (running === mine) {
      running = null;
      stop.hidden = true;
    }
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.submitter?.dataset.work ?? "answer");
});
stop.addEventListener("click", () => running?.abort());
document.getElementById("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const most = Number(event.target.dataset.mostBytes);
  if (file.size > most) {
    const text = `${file.name} has ${file.size} bytes; at most ${most} are taken at a time.`;
    results.replaceChildren(element("p", { className: "error", role: "alert" }, text));
    event.target.value = "";
    return;
  }
  document.getElementById("sequences").value = await file.text();
});

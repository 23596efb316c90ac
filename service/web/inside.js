/* One sentence from the inside: its hypotheses, the score of each piece, and the attention between pieces. */

import { t } from "./strings.js";

const element = (id) => document.getElementById(id);
const ALTERNATIVES = 4;

export const ASKED = { alternatives: ALTERNATIVES, scores: true, attention: true };

export function hide() {
  element("chosen").hidden = true;
  element("changes").replaceChildren();
  element("inside-hint").hidden = false;
}

/** Show the details of a sentence; byDefault: those without the settings, or null where there are none. */
export function show(details, byDefault) {
  element("inside-hint").hidden = true;
  element("chosen").hidden = false;
  showChanges(details, byDefault);
  element("hypotheses").replaceChildren(...details.hypotheses.map(hypothesis));
  showPieces(details);
  showMap(details);
}

function make(name, text = "", className = "") {
  const node = document.createElement(name);
  node.textContent = text;
  node.className = className;
  return node;
}

function hypothesis({ text, score }) {
  const item = make("li");
  item.append(make("span", text), make("span", score.toFixed(2), "score"));
  return item;
}

function showChanges(details, byDefault) {
  const shown = element("changes");
  shown.replaceChildren();
  if (!byDefault) return;
  if (byDefault.target_text === details.target_text) {
    shown.textContent = t("With these settings nothing changes.");
    return;
  }
  shown.append(`${t("With the defaults:")} `, ...marked(byDefault.target_text, details.target_text));
}

/** The words of a text, with those marked that the other text lacks. */
function marked(text, other) {
  const words = new Set(segments(other));
  return segments(text).map((word) => (words.has(word) || !word.trim() ? word : make("mark", word)));
}

function segments(text) {
  return [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].map((one) => one.segment);
}

const shownPiece = (piece) => piece.replaceAll("▁", "␣").replace(/^<\/s>$/, "∎");

const heat = (weight) => `rgb(var(--heat) / ${Math.round(45 * weight)}%)`;

function showPieces({ source, target, log_probabilities: logs, attention }) {
  const sources = source.map((piece) => make("span", shownPiece(piece), "piece"));
  element("source-pieces").replaceChildren(...sources);
  const targets = target.map((piece, place) => {
    const node = make("span", shownPiece(piece), "piece");
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", "false");
    node.tabIndex = place ? -1 : 0;
    // Red where the network was not sure, green where it was.
    node.style.borderBottomColor = `hsl(${120 * Math.exp(logs[place])} 60% 45%)`;
    return node;
  });
  element("target-pieces").replaceChildren(...targets);
  element("piece").textContent = "";

  const point = (place) => {
    targets.forEach((node, other) => node.setAttribute("aria-selected", String(other === place)));
    sources.forEach((node, other) => {
      node.style.backgroundColor = heat(attention?.[place][other] ?? 0);
    });
    const [piece, percent] = [shownPiece(target[place]), Math.round(100 * Math.exp(logs[place]))];
    element("piece").textContent = attention
      ? t("{piece}: {percent} % sure; attended most to {sources}", { piece, percent, sources: attended(source, attention[place]) })
      : t("{piece}: {percent} % sure", { piece, percent });
    document.querySelectorAll("#map tbody tr").forEach((row, other) => row.classList.toggle("pointed", other === place));
  };
  targets.forEach((node, place) => {
    node.addEventListener("pointerenter", () => point(place));
    node.addEventListener("focus", () => point(place));
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = targets[place + step];
      if (!next) return;
      event.preventDefault();
      node.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}

function attended(source, weights) {
  const most = [...weights.keys()].sort((one, other) => weights[other] - weights[one]).slice(0, 2);
  return most.map((place) => `${shownPiece(source[place])} (${Math.round(100 * weights[place])} %)`).join(", ");
}

function showMap({ source, target, attention }) {
  element("map").replaceChildren();
  if (!attention) return; // a network may have none
  const table = make("table");
  const head = table.createTHead().insertRow();
  head.append(make("td"), ...source.map((piece) => make("th", shownPiece(piece))));
  const body = table.createTBody();
  target.forEach((piece, place) => {
    const row = body.insertRow();
    row.append(make("th", shownPiece(piece)));
    for (const weight of attention[place]) {
      const cell = row.insertCell();
      cell.style.backgroundColor = heat(weight);
      cell.textContent = weight >= 0.05 ? Math.round(100 * weight) : "";
    }
  });
  element("map").append(table);
}

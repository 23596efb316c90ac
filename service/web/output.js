/* The output, a sentence at a time: shown as they come, and each to be chosen once all are there. */

const target = document.getElementById("target");
let sentences = [];
let onChosen = () => {};

export function whenChosen(action) {
  onChosen = action;
}

export function text() {
  return target.textContent;
}

/** Begin anew; what was there stays until something takes its place, so that nothing flickers. */
export function begin() {
  target.setAttribute("aria-busy", "true");
  sentences = [];
  let isFirst = true;
  return (before, output) => {
    if (isFirst) target.replaceChildren();
    isFirst = false;
    const atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    target.append(before + output);
    if (atEnd) target.scrollTop = target.scrollHeight;
  };
}

/** Nothing more will come. */
export function stop() {
  target.setAttribute("aria-busy", "false");
}

export function clear() {
  target.replaceChildren();
  stop();
  sentences = [];
}

/** Show a whole output. details: an entry for each sentence, with its texts; those that can be found can be chosen. */
export function finish(output, details) {
  const scrolled = target.scrollTop;
  stop();
  sentences = details;
  const nodes = [];
  let end = 0;
  details.forEach((sentence, place) => {
    const start = output.indexOf(sentence.target_text, end);
    if (start < 0 || !sentence.target_text) return;
    nodes.push(output.slice(end, start), button(sentence.target_text, place));
    end = start + sentence.target_text.length;
  });
  target.replaceChildren(...nodes, output.slice(end));
  target.scrollTop = scrolled;
}

function button(text, place) {
  const span = document.createElement("span");
  span.textContent = text;
  span.dataset.sentence = place;
  span.tabIndex = 0;
  span.setAttribute("role", "button");
  span.setAttribute("aria-pressed", "false");
  return span;
}

function choose(span) {
  for (const other of target.querySelectorAll('[aria-pressed="true"]')) other.setAttribute("aria-pressed", "false");
  span.setAttribute("aria-pressed", "true");
  onChosen(sentences[span.dataset.sentence]);
}

/** Choose the sentence that stands first, as after a change of settings; says whether there is one. */
export function chooseAgain(place) {
  const span = target.querySelector(`[data-sentence="${place}"]`);
  if (span) choose(span);
  return Boolean(span);
}

export function chosenPlace() {
  return target.querySelector('[aria-pressed="true"]')?.dataset.sentence;
}

target.addEventListener("click", (event) => {
  const span = event.target.closest("[data-sentence]");
  if (span && !String(getSelection())) choose(span); // to select text is not to choose a sentence
});
target.addEventListener("keydown", (event) => {
  if (!event.target.dataset.sentence || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  choose(event.target);
});

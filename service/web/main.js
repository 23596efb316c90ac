/* The page: what a person types goes to the service after a pause, and what comes back is shown as it comes. */

import { persist, post, stream, useKey } from "./api.js";
import * as files from "./files.js";
import * as inside from "./inside.js";
import { know, known } from "./known.js";
import { explain, showFailure, showProblem, showState, showWait } from "./notices.js";
import * as output from "./output.js";
import { link, readFragment, remember, remembered, settings } from "./settings.js";
import { showBundles, watch } from "./status.js";
import { nameOf, rewrite, speak, t } from "./strings.js";

const element = (id) => document.getElementById(id);
const [source, from, to] = ["source", "from", "to"].map(element);

let detected = null;
let read = null; // the language of the sentences in details: where the text went through English, not the text's
let running = new AbortController();
let looking = new AbortController();
let timer;

/* What is shown */

/** How many characters the text has, of how many it may have. */
function counted() {
  return { count: [...source.value].length, limit: known.service.charLimit };
}

function showCount() {
  const { count, limit } = counted();
  element("count").textContent = count ? `${count} / ${limit}` : "";
  element("count").classList.toggle("over-limit", count > limit);
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

function showLanguages() {
  const isSummary = settings.mode === "summarize";
  const summarized = known.bundles.flatMap((bundle) => bundle.tasks ?? []).filter((task) => task.startsWith("summarize:"));
  const sources = isSummary ? summarized.map((task) => task.split(":")[1]) : known.languages.map((one) => one.code);
  const entries = sources.map((code) => [code, nameOf(code)]);
  options(from, isSummary ? entries : [["auto", t("Detect")], ...entries], settings.from);
  const targets = [...new Set(known.languages.flatMap((one) => one.targets))].sort();
  options(to, targets.map((code) => [code, nameOf(code)]), settings.to);
  [settings.from, settings.to] = [from.value, to.value];
  source.lang = from.value === "auto" ? "" : from.value;
  element("target").lang = isSummary ? from.value : to.value;
}

function showMode() {
  const isSummary = settings.mode === "summarize";
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === settings.mode));
  }
  document.querySelector(".translating").hidden = isSummary;
  document.querySelector(".summarizing").hidden = !isSummary;
  element("swap").disabled = isSummary;
  element("choose").disabled = isSummary;
  showLanguages();
}

/** The decoding options that the bundle in use has by itself. */
function defaults() {
  const task = settings.mode === "summarize" ? `summarize:${from.value}` : `:${to.value}`;
  const bundle = known.bundles.find((one) => one.tasks?.some((name) => name.endsWith(task)));
  return { beam: String(bundle?.decoding.beam_size ?? 5), penalty: String(bundle?.decoding.length_penalty ?? 1) };
}

function showControls() {
  for (const name of ["beam", "penalty"]) {
    element(name).value = settings[name] || defaults()[name];
    element(`${name}-value`).textContent = element(name).value;
  }
  element("length").value = settings.length;
  element("sentences").value = settings.lines;
}

function showDetected(found) {
  detected = found?.confidence ? found.language : null;
  element("detected").textContent = detected
    ? `${nameOf(detected)} (${Math.round(found.confidence)} %)`
    : "";
}

/* What is asked for */

function decoding() {
  return {
    ...(settings.beam && { beam_size: Number(settings.beam) }),
    ...(settings.penalty && { length_penalty: Number(settings.penalty) }),
  };
}

const isSupported = () =>
  settings.mode === "summarize" || settings.from === "auto" || settings.from === settings.to ||
  known.languages.find((one) => one.code === settings.from)?.targets.includes(settings.to);

function later() {
  clearTimeout(timer);
  running.abort();
  looking.abort();
  timer = setTimeout(run, known.service?.frontendTimeout ?? 500);
}

/** Ask for the whole text; while the service is busy or gone, ask again. */
async function run() {
  clearTimeout(timer);
  running.abort();
  looking.abort();
  running = new AbortController();
  const { signal } = running;
  const chosen = output.chosenPlace();
  output.stop();
  showState("");
  showCount();
  const refusal = refused();
  showProblem(refusal);
  if (refusal) return;
  if (!source.value.trim()) {
    output.clear();
    inside.hide();
    showDetected(null);
    return;
  }
  const ask = settings.mode === "summarize" ? summarize : translate;
  try {
    await persist(() => ask(signal), showWait, signal);
    showProblem("");
    if (chosen === undefined || !output.chooseAgain(chosen)) inside.hide();
  } catch (error) {
    showFailure(error);
  }
}

/** Why the service need not be asked; nothing where it may be. */
function refused() {
  const { count, limit } = counted();
  if (count > limit) return t("The text is too long: {count} of {limit} characters.", { count, limit });
  if (isSupported()) return "";
  return t("No bundle translates from {from} to {to}.", { from: nameOf(settings.from), to: nameOf(settings.to) });
}

async function translate(signal) {
  const add = output.begin();
  showState(t("Working"));
  const body = { q: source.value, source: settings.from, target: settings.to, scores: true, ...decoding() };
  const answer = await stream(body, ({ before, output: text }) => add(before, text), signal);
  output.finish(answer.translatedText, answer.details ?? []);
  showDetected(answer.detectedLanguage);
  read = answer.via ?? detected ?? settings.from;
  element("via").textContent = answer.via ? t("through {language}", { language: nameOf(answer.via) }) : "";
  showState("");
}

function summaryFields() {
  return { source: settings.from, ...(settings.length && { length: settings.length }) };
}

async function summarize(signal) {
  output.begin();
  showState(t("Working"));
  const body = { q: source.value, ...summaryFields(), sentences: Number(settings.lines) || 1, scores: true, ...decoding() };
  const answer = await post("summarize", body, signal);
  output.finish(answer.summaryText, answer.details);
  showDetected(null);
  showState(answer.parts ? t("Summarized in {parts} parts", { parts: answer.parts }) : "");
}

/** Ask for all there is to know of a sentence. */
async function lookInside(sentence) {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  const isSummary = settings.mode === "summarize";
  const fields = isSummary ? summaryFields() : { source: read, target: settings.to };
  const body = { q: sentence.source_text, ...fields, ...inside.ASKED };
  const ask = (options) => post(isSummary ? "summarize" : "translate", { ...body, ...options }, signal);
  const isChanged = settings.beam || settings.penalty;
  const askAll = () => Promise.all([ask(decoding()), ...(isChanged ? [ask({})] : [])]);
  try {
    const [set, byDefault] = (await persist(askAll, showWait, signal)).map((answer) => answer.details[0]);
    showProblem("");
    if (set) inside.show(set, byDefault ?? null);
    else inside.hide(); // it is its own translation
  } catch (error) {
    showFailure(error);
  }
}

/* What a person does */

function set(name, value) {
  settings[name] = value;
  showControls();
  later();
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    showState(t("Copied"));
  } catch {
    showState(t("Could not be copied")); // as where the page came over plain HTTP from another machine
  }
}

function swap() {
  const spoken = settings.from === "auto" ? detected : settings.from;
  if (!spoken) return;
  [settings.from, settings.to] = [settings.to, spoken];
  if (output.text()) settings.q = source.value = output.text();
  showLanguages();
  run();
}

function listen() {
  source.addEventListener("input", () => {
    settings.q = source.value;
    showCount();
    later();
  });
  from.addEventListener("change", () => { settings.from = from.value; showDetected(null); showLanguages(); run(); });
  to.addEventListener("change", () => { settings.to = to.value; showLanguages(); run(); });
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => {
      settings.mode = button.dataset.mode;
      showMode();
      showControls();
      output.clear();
      run();
    });
  }
  element("swap").addEventListener("click", swap);
  element("clear").addEventListener("click", () => {
    settings.q = source.value = "";
    source.focus();
    run();
  });
  for (const name of ["beam", "penalty"]) {
    element(name).addEventListener("input", () => set(name, element(name).value === defaults()[name] ? "" : element(name).value));
  }
  element("defaults").addEventListener("click", () => { settings.penalty = ""; set("beam", ""); });
  element("length").addEventListener("change", () => set("length", element("length").value));
  element("sentences").addEventListener("input", () => set("lines", element("sentences").value));
  element("copy").addEventListener("click", () => copy(output.text()));
  element("share").addEventListener("click", () => {
    history.replaceState(null, "", link()); // where it may be copied by hand, too
    copy(link());
  });
  element("key").addEventListener("change", () => { useKey(element("key").value.trim()); run(); });
  element("theme").addEventListener("click", () => {
    const isDark = document.documentElement.dataset.theme === "dark";
    showTheme(isDark ? "light" : "dark");
    remember("theme", isDark ? "light" : "dark");
  });
  element("page-language").addEventListener("change", () => {
    remember("language", element("page-language").value);
    showInterface(element("page-language").value);
    run();
  });
  addEventListener("hashchange", () => { restore(); run(); });
  output.whenChosen(lookInside);
  files.listen(known.service.supportedFilesFormat, explain);
}

/* From the start */

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function showInterface(language) {
  speak(language);
  element("page-language").value = language;
  rewrite();
  if (!known.service) return;
  showMode();
  showBundles();
}

function restore() {
  readFragment();
  source.value = settings.q;
  showMode();
  showControls();
}

const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
showTheme(remembered("theme") ?? (isDark ? "dark" : "light"));
const preferred = remembered("language") ?? navigator.language.slice(0, 2);
showInterface([...element("page-language").options].some((one) => one.value === preferred) ? preferred : "en");
await know(showWait);
showProblem("");
watch(known.bundles);
restore();
listen();
element("key-field").hidden = !known.service.keyRequired;
if (known.service.keyRequired) element("key").focus();
if (settings.q) run();

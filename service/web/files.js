/* A file that is dropped on the page or chosen: translated, and offered for download. */

import { Problem, persist, sendFile } from "./api.js";
import { settings } from "./settings.js";
import { t } from "./strings.js";

const element = (id) => document.getElementById(id);
let running = null;

async function translate(file, explain) {
  running?.abort();
  running = new AbortController();
  const progress = element("progress");
  element("files").hidden = false;
  element("download").hidden = true;
  element("file-name").textContent = file.name;
  element("file-state").textContent = t("Sending");
  progress.value = 0;
  const onSent = (share) => {
    progress.value = share;
    if (share < 1) return;
    progress.removeAttribute("value"); // how long it takes to translate is not known
    element("file-state").textContent = t("Translating");
  };
  const { signal } = running;
  const fields = { source: settings.from, target: settings.to };
  const showWait = (problem) => { element("file-state").textContent = explain(problem); };
  try {
    const url = await persist(() => sendFile(file, fields, onSent, signal), showWait, signal);
    element("file-state").textContent = t("Done");
    element("download").href = new URL(url).pathname; // the proxy in front may have another name
    element("download").download = "";
    element("download").hidden = false;
    progress.value = 1;
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    element("file-state").textContent = explain(error);
    progress.value = 0;
  }
}

/** explain: says a Problem in words. */
export function listen(formats, explain) {
  const panes = element("panes");
  element("file").accept = formats.join(",");
  element("choose").addEventListener("click", () => element("file").click());
  element("file").addEventListener("change", () => {
    if (element("file").files.length) translate(element("file").files[0], explain);
    element("file").value = "";
  });
  const isFile = (event) => event.dataTransfer.types.includes("Files"); // dropped text is the text field's
  panes.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    panes.classList.add("over");
  });
  panes.addEventListener("dragleave", () => panes.classList.remove("over"));
  panes.addEventListener("drop", (event) => {
    panes.classList.remove("over");
    if (!isFile(event)) return;
    event.preventDefault();
    translate(event.dataTransfer.files[0], explain);
  });
}

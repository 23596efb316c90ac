/* The line at the bottom: what is served, on what, and how busy it is. */

import { getText } from "./api.js";
import { t } from "./strings.js";

const EVERY_MS = 5000;
let bundles = [];

const valueOf = (metrics, name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(metrics)?.[1] ?? 0);

async function refresh() {
  const status = document.getElementById("status");
  try {
    const metrics = await getText("metrics");
    status.textContent = t("{bundles} bundles on {device}; {decoding} sentences in work, {waiting} waiting", {
      bundles: bundles.length,
      device: /^dragoman_build_info\{.*device="([^"]*)"/m.exec(metrics)?.[1] ?? "?",
      decoding: valueOf(metrics, "dragoman_sentences_in_flight"),
      waiting: valueOf(metrics, "dragoman_queued_sentences"),
    });
  } catch {
    status.textContent = t("The service is not there");
  }
}

function row(table, cells, name) {
  const line = table.insertRow();
  for (const text of cells) {
    const cell = document.createElement(name);
    cell.textContent = text;
    line.append(cell);
  }
}

function scoresOf(bundle, task) {
  return bundle.scores
    .filter((score) => score.task === task)
    .map((score) => `${score.test}: ${Object.entries(score.values)
      .filter(([, value]) => typeof value === "number")
      .map(([metric, value]) => `${metric} ${value.toFixed(1)}`).join(", ")}`)
    .join("; ");
}

export function showBundles() {
  const table = document.createElement("table");
  row(table.createTHead(), [t("Bundle"), t("Task"), t("Numbers"), t("Scores")], "th");
  const body = table.createTBody();
  for (const bundle of bundles) {
    if (bundle.error) row(body, [bundle.folder, bundle.error, "", ""], "td");
    for (const task of bundle.tasks ?? []) row(body, [`${bundle.name} ${bundle.version}`, task, bundle.dtype, scoresOf(bundle, task)], "td");
  }
  document.getElementById("bundles").replaceChildren(table);
}

export function watch(served) {
  bundles = served;
  showBundles();
  refresh();
  setInterval(() => document.visibilityState === "visible" && refresh(), EVERY_MS);
}

/* What the page says of itself: what it is doing, and what went wrong, as a person wants to hear it. */

import { Problem, hasKey } from "./api.js";
import { known } from "./known.js";
import * as output from "./output.js";
import { t } from "./strings.js";

const element = (id) => document.getElementById(id);

export function showState(text) {
  element("state").textContent = text;
}

export function showProblem(text) {
  element("problem").textContent = text;
  element("problem").hidden = !text;
}

export function explain(problem) {
  const { status, message, retryAfter } = problem;
  if (status === null) return t("The file could not be sent.");
  if (status === 0) return t("The service does not answer; trying again.");
  if (status === 429 || status === 503) return t("The service is busy; trying again in {seconds} s.", { seconds: retryAfter });
  if (status === 504) return t("There was no answer in time.");
  if (status === 400 && known.service?.keyRequired && !hasKey()) return t("The service asks for an API key.");
  return t("The service refused: {reason}", { reason: message });
}

export function showWait(problem) {
  showState("");
  showProblem(explain(problem));
}

export function showFailure(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Problem)) throw error;
  output.stop();
  showWait(error);
}

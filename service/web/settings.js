/* What a person has chosen. It stands in the fragment of the address, which no browser sends, so that a link holds it. */

const DEFAULTS = { mode: "translate", from: "auto", to: "en", q: "", beam: "", penalty: "", length: "", lines: "1" };

export const settings = { ...DEFAULTS };

export function readFragment() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  for (const name of Object.keys(DEFAULTS)) settings[name] = given[name] ?? DEFAULTS[name];
  if (settings.mode !== "summarize") settings.mode = "translate";
}

export function link() {
  const changed = Object.entries(settings).filter(([name, value]) => value !== DEFAULTS[name]);
  return `${location.origin}${location.pathname}#${new URLSearchParams(changed)}`;
}

/** What this browser remembers, or null where it remembers nothing. */
export function remembered(name) {
  try {
    return localStorage.getItem(`dragoman.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`dragoman.${name}`, value);
  } catch {
    // A browser that is told to remember nothing.
  }
}

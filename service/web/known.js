/* What the service has told of itself. */

import { get, persist } from "./api.js";

export const known = { service: null, languages: [], bundles: [] };

/** Ask for it until it is there, as the service may start late. */
export async function know(showWait) {
  const paths = ["frontend/settings", "languages", "models"];
  [known.service, known.languages, known.bundles] = await persist(() => Promise.all(paths.map(get)), showWait);
}

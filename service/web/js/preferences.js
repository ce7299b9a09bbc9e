/** Theme, language and operating point, kept in the query of the page's URL and nowhere else. */

const DEFAULTS = { theme: null, lang: null, point: "balanced" };

/** @returns {{theme: string|null, lang: string|null, point: string}} theme null: the system's */
export function readPreferences() {
  const query = new URLSearchParams(location.search);
  const entries = Object.entries(DEFAULTS).map(([name, value]) => [name, query.get(name) ?? value]);
  return Object.fromEntries(entries);
}

export function writePreference(name, value) {
  const url = new URL(location.href);
  if (value === DEFAULTS[name]) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
  history.replaceState(null, "", url);
}

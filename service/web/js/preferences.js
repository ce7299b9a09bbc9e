/** What the reader chose, kept in the query of the page's URL and nowhere else. */

const DEFAULTS = { theme: null, lang: null, point: "balanced", prevalence: null, blind: null };

/**
 * @returns {{theme: string|null, lang: string|null, point: string, prevalence: string|null, blind: string|null}}
 *   theme null: the system's; prevalence null: that of the calibration; blind "on": answers are hidden
 *   until the reader has given a verdict
 */
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

/** The share of patients with pneumonia that the reader gave; null: none, or none that is possible. */
export function prevalenceOf({ prevalence }) {
  const share = Number(prevalence);
  return prevalence !== null && share > 0 && share < 1 ? share : null;
}

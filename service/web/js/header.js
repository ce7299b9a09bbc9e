/** The controls at the top: operating point, theme, language. */

import { find, icon, make } from "./dom.js";
import { LANGUAGES } from "./texts.js";

/** @param {(language: string) => void} choose */
export function openLanguages(current, choose) {
  const select = find("language");
  const options = Object.entries(LANGUAGES).map(([tag, name]) => make("option", { value: tag, lang: tag }, name));
  select.replaceChildren(...options);
  select.value = current;
  select.addEventListener("change", () => choose(select.value));
}

const systemIsLight = matchMedia("(prefers-color-scheme: light)");

/** @param {() => void} changed called when the system's theme changes */
export function followSystemTheme(changed) {
  systemIsLight.addEventListener("change", changed);
}

/** Whether the page is light. @param {string|null} theme as chosen; null: the system's */
export function isLight(theme) {
  return theme ? theme === "light" : systemIsLight.matches;
}

/** @param {string|null} theme as chosen; null: the system's */
export function drawTheme(theme, texts) {
  const light = isLight(theme);
  if (theme) document.documentElement.dataset.theme = light ? "light" : "dark";
  else delete document.documentElement.dataset.theme;
  const button = find("theme");
  button.dataset.label = light ? "theme.dark" : "theme.light";
  button.replaceChildren(icon(light ? "moon" : "sun"));
  texts.apply(button.parentElement);
}

/** One radio button per operating point. */
export function drawPoints(points, chosen, texts, choose) {
  const root = find("points");
  const focused = root.contains(document.activeElement);
  const options = points.map(({ name }) => {
    const radio = make("input", { type: "radio", name: "point", value: name, on: { change: () => choose(name) } });
    radio.checked = name === chosen;
    const why = texts.has(`point.${name}.why`) ? texts.say(`point.${name}.why`) : null;
    return make("label", { title: why }, radio, make("span", {}, texts.name("point", name)));
  });
  root.replaceChildren(root.querySelector("legend"), ...options);
  root.hidden = false;
  if (focused) root.querySelector(":checked").focus();
}

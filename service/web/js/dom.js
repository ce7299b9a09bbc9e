/** Helpers to create and find elements. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, unknown>} attributes `on` holds listeners; true sets an empty attribute;
 *   false, null and undefined set none.
 * @param {...(Node|string|null|undefined|false)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child || child === ""));
  return element;
}

/** An icon of the sprite in index.html; decorative, so hidden from screen readers. */
export function icon(name, ...classes) {
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add("icon", ...classes);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows an icon only; its label is its accessible name and its tooltip. */
export function iconButton(name, label, attributes = {}) {
  return make("button", { type: "button", class: "quiet icon-only", "aria-label": label, title: label, ...attributes }, icon(name));
}

/** @param {string} id of an element that index.html holds. */
export function find(id) {
  return document.getElementById(id);
}

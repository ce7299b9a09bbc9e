/** The toolbar under the viewer: displays the view's state and changes it. */

import { icon, make } from "./dom.js";

const ZOOM_STEP = 1.25;

/** @param {import("./view.js").View} view */
export function buildToolbar(view) {
  const evidence = button("evidence", "tool.evidence", () => view.change({ evidence: evidence.ariaPressed !== "true" }));
  const opacity = slider("tool.opacity", 0, 100, (value) => view.change({ opacity: value / 100, evidence: true }));
  const zoomText = make("output", { class: "zoom-text" });
  const level = button("window", "tool.window", () => view.toggleWindow());
  const invert = button("invert", "tool.invert", () => view.change({ inverted: !view.inverted }));
  const split = button("split", "tool.split", () => view.change({ split: !view.split }));
  const centre = slider("tool.centre", 0, 255, (value) => view.change({ centre: value }));
  const width = slider("tool.width", 1, 510, (value) => view.change({ width: value }));
  const windowRow = make(
    "div",
    { class: "tool-row" },
    make("label", {}, make("span", { "data-text": "tool.centre" }), centre),
    make("label", {}, make("span", { "data-text": "tool.width" }), width),
  );
  const element = make(
    "div",
    { class: "tools", role: "toolbar", "data-label": "tool.bar" },
    make(
      "div",
      { class: "tool-row" },
      make("div", { class: "tool-group" }, evidence, opacity),
      make(
        "div",
        { class: "tool-group" },
        button("zoom-out", "tool.zoom_out", () => view.zoomAt(1 / ZOOM_STEP)),
        zoomText,
        button("zoom-in", "tool.zoom_in", () => view.zoomAt(ZOOM_STEP)),
      ),
      make("div", { class: "tool-group" }, level, invert, split, button("reset", "tool.reset", () => view.reset())),
    ),
    windowRow,
  );
  return {
    element,
    draw(evidenceOn, hasEvidence, texts) {
      press(evidence, evidenceOn);
      evidence.disabled = opacity.disabled = !hasEvidence;
      opacity.value = String(Math.round(view.opacity * 100));
      opacity.setAttribute("aria-valuetext", texts.share(view.opacity));
      zoomText.textContent = texts.share(view.zoom);
      press(level, view.tool === "window");
      press(invert, view.inverted);
      press(split, view.split);
      windowRow.hidden = view.tool !== "window";
      centre.value = String(Math.round(view.centre));
      width.value = String(Math.round(view.width));
    },
  };
}

function button(name, label, click) {
  return make("button", { type: "button", class: "quiet icon-only", "data-label": label, on: { click } }, icon(name));
}

function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}

function slider(label, min, max, input) {
  return make("input", {
    type: "range",
    min,
    max,
    "data-label": label,
    on: { input: (event) => input(Number(event.target.value)) },
  });
}

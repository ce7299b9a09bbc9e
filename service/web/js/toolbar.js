/** The toolbar under the viewer: displays the view's state and changes it. */

import { icon, make } from "./dom.js";

const ZOOM_STEP = 1.25;

/** @param {import("./view.js").View} view @param {() => void} toggleFullScreen */
export function buildToolbar(view, toggleFullScreen) {
  const evidence = button("evidence", "evidence", () => view.change({ evidence: evidence.ariaPressed !== "true" }));
  const opacity = slider("tool.opacity", 0, 100, (value) => view.change({ opacity: value / 100, evidence: true }));
  const zoomText = make("output", { class: "zoom-text" });
  const level = button("window", "window", () => view.toggleWindow());
  const invert = button("invert", "invert", () => view.change({ inverted: !view.inverted }));
  const mirror = button("mirror", "mirror", () => view.change({ mirrored: !view.mirrored }));
  const split = button("split", "split", () => view.change({ split: !view.split }));
  const fullScreen = button("full-screen", "full_screen", toggleFullScreen);
  fullScreen.hidden = !document.fullscreenEnabled;
  const centre = setting("centre", 0, 255, (value) => view.change({ centre: value }));
  const width = setting("width", 1, 510, (value) => view.change({ width: value }));
  const windowRow = make("div", { class: "tool-row" }, centre.element, width.element);
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
        button("zoom-out", "zoom_out", () => view.zoomAt(1 / ZOOM_STEP)),
        zoomText,
        button("zoom-in", "zoom_in", () => view.zoomAt(ZOOM_STEP)),
        button("actual-size", "actual_size", () => view.actualSize()),
      ),
      make(
        "div",
        { class: "tool-group" },
        level,
        invert,
        split,
        button("turn", "turn", () => view.turn()),
        mirror,
        fullScreen,
        button("reset", "reset", () => view.reset()),
      ),
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
      zoomText.textContent = texts.share(view.scale);
      press(level, view.tool === "window");
      press(invert, view.inverted);
      press(mirror, view.mirrored);
      press(split, view.split);
      press(fullScreen, document.fullscreenElement !== null);
      windowRow.hidden = view.tool !== "window";
      centre.draw(view.centre);
      width.draw(view.width);
    },
  };
}

/** An icon with a word below it, which is shown where there is room. */
function button(glyph, name, click) {
  const word = make("span", { class: "tool-word", "data-text": `tool_word.${name}` });
  return make("button", { type: "button", class: "quiet icon-only", "data-label": `tool.${name}`, on: { click } }, icon(glyph), word);
}

function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}

/** A slider and a field for the same number. */
function setting(name, min, max, input) {
  const range = slider(`tool.${name}`, min, max, input);
  const number = make("input", {
    type: "number",
    min,
    max,
    "data-label": `tool_number.${name}`,
    on: { change: (event) => event.target.validity.valid && event.target.value && input(Number(event.target.value)) },
  });
  return {
    element: make("label", {}, make("span", { "data-text": `tool.${name}` }), range, number),
    draw(value) {
      const rounded = String(Math.round(value));
      range.value = rounded;
      // not while somebody types
      if (document.activeElement !== number) number.value = rounded;
    },
  };
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

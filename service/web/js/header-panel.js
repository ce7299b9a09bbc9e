/** The panel of a DICOM file's technical header elements, which names nobody. */

import { readHeader } from "./dicom-header.js";
import { make } from "./dom.js";
import { isDrawable } from "./images.js";

/** @returns {HTMLElement|false} false: browsers show the file themselves, so it is no DICOM file */
export function headerPanel(item, texts) {
  if (isDrawable(item.file)) return false;
  const list = make("dl", { class: "facts", lang: "en" });
  const panel = make(
    "details",
    { class: "header-panel", hidden: true },
    make("summary", {}, texts.say("header.title")),
    make("p", { class: "small" }, texts.say("header.what")),
    list,
  );
  fill(panel, list, item.file);
  return panel;
}

async function fill(panel, list, file) {
  // a file that can no longer be read has been told about already
  const elements = await readHeader(file).catch(() => null);
  if (!elements?.length) return;
  const rows = elements.flatMap(({ tag, name, value }) => [make("dt", {}, name, make("code", {}, `(${tag})`)), make("dd", {}, value)]);
  list.append(...rows);
  panel.hidden = false;
}

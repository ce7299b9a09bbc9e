/** Components shared by the card, the problems and the dialogs. */

import { icon, make } from "./dom.js";

/** The result, large and in its colour, with a sentence of explanation. */
export function verdict(tone, glyph, words, more) {
  return make(
    "div",
    { class: "verdict", "data-decision": tone },
    icon(glyph),
    make("div", {}, make("p", { class: "verdict-word" }, words), make("p", { class: "verdict-more" }, more)),
  );
}

/** A list of terms and values. @param {[string, Node|string][]} rows text key of the term, value */
export function facts(rows, texts) {
  const list = rows.flatMap(([key, value]) => [make("dt", {}, texts.say(key)), make("dd", {}, value)]);
  return make("dl", { class: "facts" }, ...list);
}

/** The input check's distance and limit, formatted for a text's placeholders. */
export function distances(distance, limit, texts) {
  return { distance: texts.fixed(distance ?? 0, 2), limit: texts.fixed(limit ?? 0, 2) };
}

/** Text from the model file or the service, which is always English. */
export function english(words) {
  return make("span", { lang: "en" }, words);
}

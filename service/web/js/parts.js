/** What the answer, the problem and the model's card are made of. */

import { icon, make } from "./dom.js";

/** The words that matter most, large and in their colour, and what follows from them. */
export function verdict(tone, glyph, words, more) {
  return make(
    "div",
    { class: "verdict", "data-decision": tone },
    icon(glyph),
    make("div", {}, make("p", { class: "verdict-word" }, words), make("p", { class: "verdict-more" }, more)),
  );
}

/** @param {[string, Node|string][]} rows the key of a name, and what it stands for */
export function facts(rows, texts) {
  const list = rows.flatMap(([key, value]) => [make("dt", {}, texts.say(key)), make("dd", {}, value)]);
  return make("dl", { class: "facts" }, ...list);
}

/** How far an image is from those that the model knows, in words to be filled in. */
export function distances(distance, limit, texts) {
  return { distance: texts.fixed(distance ?? 0, 2), limit: texts.fixed(limit ?? 0, 2) };
}

/** Words that come from the model file or the service, which speak English. */
export function english(words) {
  return make("span", { lang: "en" }, words);
}

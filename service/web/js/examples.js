/** The examples that the page offers: an X-ray of a public collection, and the same one made unreadable. */

import { make } from "./dom.js";

/** file -> its text */
const known = new WeakMap();

const TEXTS = { "example.jpg": "example.reference", "example-refused.jpg": "example.refused" };

/** @param {keyof TEXTS} name @returns {Promise<File>} */
export async function fetchExample(name) {
  const answer = await fetch(`static/${name}`);
  const file = new File([await answer.blob()], name, { type: "image/jpeg" });
  known.set(file, TEXTS[name]);
  return file;
}

/** @param {import("./cases.js").Case|null} item */
export const isExample = (item) => known.has(item?.file);

/** Where an example comes from and what it is known to show; false for other cases. */
export function exampleNote(item, texts) {
  if (!isExample(item)) return false;
  const notice = make("a", { href: "static/example-notice.txt", target: "_blank" }, texts.say("example.notice"));
  return make("p", { class: "example-note" }, texts.say(known.get(item.file)), " ", notice);
}

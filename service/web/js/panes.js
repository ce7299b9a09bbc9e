/** The panes around the viewer: which are shown, the progress above the list, the card. */

import { cardParts } from "./card.js";
import { canRetry, isOpen, isUnread } from "./cases.js";
import { find, make } from "./dom.js";

/** @param {"empty"|"read"|"table"} name */
export function showView(name) {
  document.body.dataset.view = name;
  find("view").setAttribute("aria-pressed", String(name === "table"));
}

/** How many cases were read, and how many cannot be or were cancelled. */
export function progressWords(all, texts) {
  const failed = all.filter(isUnread).length;
  const read = all.filter((item) => item.state === "done").length;
  return texts.say(failed ? "list.read_failed" : "list.read", { read, failed, count: all.length });
}

/** @param {object[]} all cases @param {number} place of the selected one in the list, from 1 */
export function drawProgress(all, place, texts) {
  const count = all.length;
  const open = all.filter(isOpen).length;
  // a single case needs no filter, unless it is the filter that hides it
  document.body.dataset.many = count > 1 || place === 0;
  find("list-title").textContent = texts.say("list.count", { count });
  find("place").textContent = texts.say("list.place", { place, count });
  find("progress").hidden = open === 0;
  find("progress-bar").value = count ? (count - open) / count : 0;
  find("progress-text").textContent = progressWords(all, texts);
  find("retry-all").hidden = open > 0 || !all.some(canRetry);
}

/**
 * The answers to choose from, with how many cases have each.
 * @param {Record<string, number>} counts by the names of the filters
 * @param {boolean} screening whether `pneumonia` only means above a screening threshold
 */
export function drawFilter(counts, screening, texts) {
  const select = find("filter-answer");
  for (const [name, count] of Object.entries(counts)) {
    const option = select.querySelector(`[value=${name}]`) ?? select.appendChild(make("option", { value: name }));
    const key = screening && name === "pneumonia" ? "screening" : name;
    const words = `${texts.say(`filter.${key}`)} (${texts.number(count)})`;
    if (option.textContent !== words) option.textContent = words;
  }
}

/** How often reader and model say the same; nothing while the reader has said nothing. */
export function drawAgreement({ cases, agreed }, texts) {
  find("agreement").hidden = cases === 0;
  find("agreement").textContent = texts.say("list.agreement", { agreed, count: cases });
}

/**
 * Redraw the card, but only when its content changed: redrawing loses focus and selection.
 * @param {import("./cases.js").Case|null} item
 */
export function drawCard(item, page, act) {
  const card = find("card");
  const { texts, point, contract, blind, prevalence } = page;
  const said = item && [item.id, item.state, item.answer?.request_id, item.problem?.code, item.opinion.verdict];
  const signature = JSON.stringify(said && [...said, texts.language, point, contract.version, blind, prevalence]);
  if (card.dataset.signature === signature) return;
  const sameCase = item && card.dataset.id === String(item.id);
  const held = card.contains(document.activeElement) ? document.activeElement : null;
  const unfolded = sameCase ? [...card.querySelectorAll("details[open]")].map((part) => part.className) : [];
  card.dataset.signature = signature;
  card.dataset.id = item?.id ?? "";
  card.replaceChildren(...(item ? cardParts(item, page, act) : []).filter(Boolean));
  if (!sameCase) card.scrollTop = 0;
  for (const part of card.querySelectorAll("details")) part.open = unfolded.includes(part.className);
  if (held) ((sameCase && held.id && find(held.id)) || card).focus();
}

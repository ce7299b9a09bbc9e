/** The cases of this session, one for each file, kept in memory until the page is closed. */

import { noOpinion } from "./verdict.js";

/**
 * @typedef {object} Case
 * @property {number} id
 * @property {string} name of the file
 * @property {File} file
 * @property {"waiting"|"reading"|"retrying"|"done"|"failed"|"cancelled"} state `retrying`: the
 *   service is busy and the request is repeated later
 * @property {object|null} answer of /predict
 * @property {import("./api.js").Problem|null} problem
 * @property {import("./verdict.js").Opinion} opinion of the reader
 * @property {boolean} exposed whether the reader may have seen the answer
 * @property {boolean} saved whether it was exported as it is now
 */

export class Cases extends EventTarget {
  #items = [];
  #next = 1;
  #taken = null;
  /** @type {Case|null} */
  selected = null;

  get all() {
    return this.#items;
  }

  /** @param {Iterable<File>} files @returns {Case[]} */
  add(files) {
    const added = [...files].map((file) => ({
      id: this.#next++,
      name: file.name || "image",
      file,
      state: "waiting",
      answer: null,
      problem: null,
      opinion: noOpinion(),
      exposed: false,
      saved: false,
    }));
    this.#items = [...this.#items, ...added];
    this.#taken = null;
    this.#changed();
    if (!this.selected && added.length) this.select(added[0]);
    return added;
  }

  update(item, changes) {
    Object.assign(item, { saved: false }, changes);
    this.#changed("state" in changes ? item : null);
  }

  /** Take cases out; `restore` puts them back. @param {Case[]} items */
  remove(items) {
    const gone = new Set(items);
    const before = this.#items;
    const place = before.indexOf(this.selected);
    this.#taken = { before, gone };
    this.#items = before.filter((item) => !gone.has(item));
    if (gone.has(this.selected)) {
      const stays = (item) => !gone.has(item);
      this.select(before.slice(place).find(stays) ?? before.slice(0, place).findLast(stays) ?? null);
    }
    this.#changed();
  }

  /** How many cases `restore` would put back: those taken out last, until others are added. */
  get restorable() {
    return this.#taken?.gone.size ?? 0;
  }

  /** Put the cases that were taken out last back into their places. */
  restore() {
    if (!this.#taken) return;
    const { before, gone } = this.#taken;
    this.#taken = null;
    this.#items = before;
    if (gone.size) this.select([...gone][0]);
    this.#changed();
  }

  /** Forget what was taken out. */
  forgetRemoved() {
    this.#taken = null;
    this.#changed();
  }

  select(item) {
    if (item === this.selected) return;
    this.selected = item;
    this.dispatchEvent(new Event("select"));
  }

  /** @param {Case|null} item the one whose state changed, if that is what changed */
  #changed(item = null) {
    this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }
}

export const isOpen = (item) => ["waiting", "reading", "retrying"].includes(item.state);
/** Whether closing the page loses something that was not exported. */
export const isUnsaved = ({ answer, opinion, saved }) => !saved && Boolean(answer || opinion.verdict || opinion.comment);
export const isUnread = (item) => ["failed", "cancelled"].includes(item.state);

// the file itself is at fault, so a retry gets the same answer
const FINAL = ["not_a_chest_xray", "undecodable_image", "unsupported_type", "too_large"];

/** Whether another try can come out differently. */
export const canRetry = (item) => isUnread(item) && !FINAL.includes(item.problem?.code);

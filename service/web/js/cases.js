/** The cases of this session, one for each file, kept in memory until the page is closed. */

/**
 * @typedef {object} Case
 * @property {number} id
 * @property {string} name of the file
 * @property {File} file
 * @property {"waiting"|"reading"|"retrying"|"done"|"failed"|"cancelled"} state `retrying`: the
 *   service is busy and the request is repeated later
 * @property {object|null} answer of /predict
 * @property {import("./api.js").Problem|null} problem
 */

export class Cases extends EventTarget {
  #items = [];
  #next = 1;
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
    }));
    this.#items = [...this.#items, ...added];
    this.#changed();
    if (!this.selected && added.length) this.select(added[0]);
    return added;
  }

  update(item, changes) {
    Object.assign(item, changes);
    this.#changed(item);
  }

  remove(item) {
    const place = this.#items.indexOf(item);
    if (place < 0) return;
    this.#items = this.#items.filter((other) => other !== item);
    if (this.selected === item) this.select(this.#items[place] ?? this.#items[place - 1] ?? null);
    this.#changed();
  }

  clear() {
    this.#items = [];
    this.select(null);
    this.#changed();
  }

  select(item) {
    if (item === this.selected) return;
    this.selected = item;
    this.dispatchEvent(new Event("select"));
  }

  #changed(item = null) {
    this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }
}

export const isOpen = (item) => ["waiting", "reading", "retrying"].includes(item.state);
export const isUnread = (item) => ["failed", "cancelled"].includes(item.state);

// the file itself is at fault, so a retry gets the same answer
const FINAL = ["not_a_chest_xray", "undecodable_image", "unsupported_type", "too_large"];

/** Whether another try can come out differently. */
export const canRetry = (item) => isUnread(item) && !FINAL.includes(item.problem?.code);

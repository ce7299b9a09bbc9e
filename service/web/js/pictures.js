/** The pictures of a case, asked for when it is looked at; the latest few are kept in memory. */

import { Problem } from "./api.js";

const KEPT = 16;

/**
 * @typedef {object} Pictures
 * @property {Blob|null} plain the X-ray as the model saw it
 * @property {Blob|null} evidence
 * @property {Problem|null} problem why something is missing
 */

export class PictureShelf {
  #api;
  #shelf = new Map();
  /** Whether the model has the map; without it the service draws nothing. */
  hasEvidence = true;

  constructor(api) {
    this.#api = api;
  }

  /** @param {import("./cases.js").Case} item an answered case @returns {Promise<Pictures>} */
  of(item) {
    const known = this.#shelf.get(item.id) ?? this.#ask(item.file);
    this.#shelf.delete(item.id);
    this.#shelf.set(item.id, known);
    for (const id of [...this.#shelf.keys()].slice(0, -KEPT)) this.#shelf.delete(id);
    known.then((pictures) => {
      // another look may fare better
      if (pictures.problem && pictures.problem.code !== "no_evidence") this.#shelf.delete(item.id);
    });
    return known;
  }

  /** @param {import("./cases.js").Case} item that was removed */
  forget(item) {
    this.#shelf.delete(item.id);
  }

  async #ask(file) {
    if (!this.hasEvidence) return { plain: null, evidence: null, problem: new Problem({ code: "no_evidence" }) };
    try {
      const [plain, evidence] = await Promise.all([this.#api.plain(file), this.#api.evidence(file)]);
      return { plain, evidence, problem: null };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { plain: null, evidence: null, problem: error };
    }
  }
}

/** Whether a browser can be expected to draw the file itself. */
export function isDrawable(file) {
  return /^image\/(jpeg|png|webp|bmp|gif)$/.test(file.type);
}

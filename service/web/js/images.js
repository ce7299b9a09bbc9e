/** The rendered images of each case, requested when it is viewed; the most recent are cached. */

import { Problem } from "./api.js";

const CAPACITY = 16;

/**
 * @typedef {object} CaseImages
 * @property {Blob|null} plain the X-ray as the service decoded it
 * @property {Blob|null} evidence
 * @property {Problem|null} problem why something is missing
 */

export class ImageCache {
  #api;
  #images = new Map();
  /** Whether the model has an evidence map; without one the service renders no image. */
  hasEvidence = true;

  constructor(api) {
    this.#api = api;
  }

  /** @param {import("./cases.js").Case} item an answered case @returns {Promise<CaseImages>} */
  of(item) {
    const pending = this.#images.get(item.id) ?? this.#request(item.file);
    this.#images.delete(item.id);
    this.#images.set(item.id, pending);
    for (const id of [...this.#images.keys()].slice(0, -CAPACITY)) this.#images.delete(id);
    pending.then((images) => {
      // allow another attempt
      if (images.problem && images.problem.code !== "no_evidence") this.#images.delete(item.id);
    });
    return pending;
  }

  /** @param {import("./cases.js").Case} item that was removed */
  forget(item) {
    this.#images.delete(item.id);
  }

  async #request(file) {
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

/** Whether browsers can display the file themselves. */
export function isDrawable(file) {
  return /^image\/(jpeg|png|webp|bmp|gif)$/.test(file.type);
}

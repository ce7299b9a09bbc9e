/** The model that the service has loaded, and its replacement by another. */

import { Problem } from "./api.js";

export class ServedModel {
  #api;
  #cases;
  #replaced;
  /** The description of GET /model; null until it is known. */
  description = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./cases.js").Cases} cases
   * @param {(stale: object[]) => void} replaced called with the cases that the old model answered
   */
  constructor(api, cases, replaced) {
    this.#api = api;
    this.#cases = cases;
    this.#replaced = replaced;
  }

  get contract() {
    return this.description.contract;
  }

  /** An answer of the model described here: one model's thresholds are never applied to another's output. */
  async predict(file, signal, onWait) {
    // once more when the model has just changed
    for (let tries = 1; tries <= 2; tries += 1) {
      const answer = await this.#api.predict(file, signal, onWait);
      if (answer.model.sha256 !== this.description.sha256) await this.#change();
      if (answer.model.sha256 === this.description.sha256) return answer;
    }
    throw new Problem({ code: "models_differ" });
  }

  async #change() {
    const current = await this.#api.model();
    if (current.sha256 === this.description.sha256) return;
    this.description = current;
    // the new model may accept what the old one refused
    const refused = this.#cases.all.filter(({ problem }) => problem?.code === "not_a_chest_xray");
    this.#replaced([...this.stale(this.#cases.all), ...refused]);
  }

  /** The cases that another model answered. */
  stale(items) {
    return items.filter(({ answer }) => answer && answer.model.sha256 !== this.description.sha256);
  }
}

/** Uploads the waiting cases, a few at a time, in order. */

import { isOpen } from "./cases.js";
import { Problem } from "./api.js";

// enough to keep a small service busy while the next upload is sent; it sheds what exceeds its capacity
const CONCURRENCY = 3;

export class Queue {
  #cases;
  #predict;
  #running = new Map();

  /**
   * @param {import("./cases.js").Cases} cases
   * @param {(file: File, signal: AbortSignal, onWait: () => void) => Promise<object>} predict
   */
  constructor(cases, predict) {
    this.#cases = cases;
    this.#predict = predict;
  }

  /** Start as many waiting cases as may run. */
  run() {
    const waiting = this.#cases.all.filter((item) => item.state === "waiting");
    for (const item of waiting.slice(0, CONCURRENCY - this.#running.size)) this.#read(item);
  }

  cancel(item) {
    if (!isOpen(item)) return;
    this.#running.get(item)?.abort();
    this.#running.delete(item);
    this.#cases.update(item, { state: "cancelled" });
    this.run();
  }

  cancelAll() {
    // the waiting ones first, or cancelling a running one would start them
    const open = this.#cases.all.filter(isOpen);
    for (const item of open) if (item.state === "waiting") item.state = "cancelled";
    for (const item of open) if (isOpen(item)) this.cancel(item);
    for (const item of open) this.#cases.update(item, { state: "cancelled" });
  }

  /** Stop reading cases that are removed; they wait again, should they be put back. */
  withdraw(items) {
    for (const item of items.filter(isOpen)) {
      this.#running.get(item)?.abort();
      this.#running.delete(item);
      item.state = "waiting";
    }
  }

  retry(items) {
    for (const item of items) this.#cases.update(item, { state: "waiting", problem: null });
    this.run();
  }

  async #read(item) {
    const control = new AbortController();
    this.#running.set(item, control);
    this.#cases.update(item, { state: "reading" });
    const outcome = await this.#outcome(item, control.signal);
    if (control.signal.aborted) return;
    this.#running.delete(item);
    this.#cases.update(item, outcome);
    this.run();
  }

  async #outcome(item, signal) {
    try {
      const answer = await this.#predict(item.file, signal, () => this.#cases.update(item, { state: "retrying" }));
      return { state: "done", answer, problem: null };
    } catch (error) {
      if (signal.aborted) return {};
      if (error instanceof Problem) return { state: "failed", problem: error };
      // an answer this page cannot interpret: show that in the card, and the error in the console
      console.error(error);
      return { state: "failed", problem: new Problem({ code: "unknown" }) };
    }
  }
}

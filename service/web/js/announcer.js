/** Announces changes to screen readers through the page's live region. */

import { isOpen } from "./cases.js";
import { decide } from "./decide.js";
import { find } from "./dom.js";

export class Announcer {
  #page;

  /** @param {() => {texts: object, contract: object, point: string, cases: import("./cases.js").Cases}} page */
  constructor(page) {
    this.#page = page;
  }

  say(words) {
    find("announcer").textContent = words;
  }

  /** Announce a changed case: the selected one in full, the others only once all are read. */
  changed(item) {
    const { cases, texts } = this.#page();
    if (isOpen(item)) return;
    const open = cases.all.filter(isOpen).length;
    if (item === cases.selected) this.say(this.#wordsOf(item));
    else if (open === 0) this.say(texts.say("list.read", { read: cases.all.length, count: cases.all.length }));
  }

  #wordsOf(item) {
    const { texts, contract, point } = this.#page();
    const { name, answer, problem, state } = item;
    if (answer) {
      const { decision } = decide(answer, contract, point);
      return texts.say("say.answer", {
        name,
        decision: texts.say(`decision.${decision}`),
        probability: texts.percent(answer.probability),
      });
    }
    if (!problem) return `${name}: ${texts.say(`state.${state}`)}`;
    const code = texts.known("problem", problem.code);
    return texts.say("say.problem", { name, problem: texts.say(`problem.${code}`), todo: texts.say(`problem.${code}.do`) });
  }
}

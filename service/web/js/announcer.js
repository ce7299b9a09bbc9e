/** Announces changes to screen readers through the page's live region. */

import { isOpen } from "./cases.js";
import { decide } from "./decide.js";
import { find } from "./dom.js";
import { progressWords } from "./panes.js";
import { isHidden } from "./verdict.js";

export class Announcer {
  #page;

  /** @param {() => {texts: object, contract: object, point: string, cases: import("./cases.js").Cases}} page */
  constructor(page) {
    this.#page = page;
  }

  say(words) {
    find("announcer").textContent = words;
  }

  /** Announce a case whose state changed: the selected one in full, and once none is open, how many were read. */
  changed(item) {
    const { cases, texts } = this.#page();
    if (isOpen(item)) return;
    const words = [];
    if (item === cases.selected) words.push(this.#wordsOf(item));
    if (cases.all.length > 1 && !cases.all.some(isOpen)) words.push(progressWords(cases.all, texts));
    if (words.length) this.say(words.join(" · "));
  }

  #wordsOf(item) {
    const page = this.#page();
    const { texts, contract, point } = page;
    const { name, answer, problem, state } = item;
    if (answer && !isHidden(item, page)) {
      const { look } = decide(answer, contract, point);
      return texts.say("say.answer", {
        name,
        decision: texts.say(`decision.${look}`),
        probability: texts.percent(answer.probability),
      });
    }
    if (!problem) return `${name}: ${texts.say(`state.${state}`)}`;
    const code = texts.known("problem", problem.code);
    return texts.say("say.problem", { name, problem: texts.say(`problem.${code}`), todo: texts.say(`problem.${code}.do`) });
  }
}

/** The first question to the service: which model does it serve? */

import { Problem } from "./api.js";
import { find, icon, make } from "./dom.js";
import { problemWords } from "./problem.js";

/**
 * Ask until there is an answer; say what is the matter meanwhile.
 * @returns {Promise<object>} the description of GET /model
 */
export async function learnModel(api, texts) {
  const notice = find("notice");
  for (;;) {
    try {
      const description = await api.model(undefined, () => {
        notice.textContent = texts.say("service.starting");
        notice.hidden = false;
      });
      notice.hidden = true;
      return description;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const again = make("button", { type: "button", class: "compact" }, icon("retry"), texts.say("case.retry"));
      notice.replaceChildren(problemWords(error, texts), again);
      notice.hidden = false;
      await new Promise((resolve) => again.addEventListener("click", resolve, { once: true }));
    }
  }
}

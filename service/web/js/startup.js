/** Fetches the model's description when the page opens. */

import { Problem } from "./api.js";
import { find, icon, make } from "./dom.js";
import { problemWords } from "./problem.js";

/**
 * Retry until the service answers, and show why it does not.
 * @returns {Promise<object>} the description of GET /model
 */
export async function fetchModel(api, texts) {
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

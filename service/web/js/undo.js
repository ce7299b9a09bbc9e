/** The bar that offers to put back the cases that were removed last. */

import { find } from "./dom.js";

/** @param {import("./cases.js").Cases} cases @param {() => void} restored called after they are back */
export function openUndo(cases, restored) {
  find("undo-restore").addEventListener("click", () => {
    cases.restore();
    restored();
  });
  find("undo-close").addEventListener("click", () => {
    cases.forgetRemoved();
    find("main").focus();
  });
}

/** @param {number} count of the cases that can be put back */
export function drawUndo(count, texts) {
  find("undo").hidden = count === 0;
  find("undo-text").textContent = texts.say("undo.removed", { count });
}

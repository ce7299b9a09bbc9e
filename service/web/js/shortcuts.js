/** Keyboard shortcuts that work anywhere on the page. */

/** Group -> action -> its keys, as displayed; `main.js` provides the actions. */
export const SHORTCUTS = {
  cases: {
    choose: ["O"],
    next: ["J", "ArrowDown"],
    previous: ["K", "ArrowUp"],
    remove: ["Delete"],
    undo: ["Z"],
    filter: ["/"],
    view: ["L"],
  },
  answer: {
    pneumonia: ["Y"],
    uncertain: ["U"],
    normal: ["N"],
    point: ["P"],
    model: ["M"],
    help: ["?"],
  },
  image: {
    evidence: ["E"],
    fainter: ["["],
    stronger: ["]"],
    zoom_in: ["+"],
    zoom_out: ["-"],
    fit: ["0"],
    actual_size: ["1"],
    move: ["arrows"],
    window: ["W"],
    invert: ["I"],
    split: ["S"],
    turn: ["T"],
    mirror: ["H"],
    full_screen: ["F"],
    reset: ["R"],
  },
};

// handled by the list or the viewport that has the focus
const LOCAL = new Set(["ArrowDown", "ArrowUp", "Delete", "arrows"]);

export class Shortcuts {
  /** Whether keys work without a modifier. */
  on = true;

  /** @param {Record<string, () => void>} actions by the names of SHORTCUTS */
  constructor(actions) {
    const byKey = new Map();
    for (const [name, keys] of Object.values(SHORTCUTS).flatMap(Object.entries)) {
      for (const key of keys) if (!LOCAL.has(key)) byKey.set(key.toLowerCase(), actions[name]);
    }
    document.addEventListener("keydown", (event) => {
      if (!this.on || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target)) return;
      const action = byKey.get(event.key.toLowerCase());
      if (!action) return;
      event.preventDefault();
      action();
    });
  }
}

/** Whether keys have another meaning here: text is typed, or a dialog is open. */
function isBusy(target) {
  return document.querySelector("dialog[open]") !== null || target.matches("input:not([type=range], [type=radio], [type=checkbox]), select, textarea");
}

/** The list of cases as a table: sorting, filtering, keyboard navigation. */

import { canRetry, isOpen, isUnread } from "./cases.js";
import { decide } from "./decide.js";
import { icon, iconButton, make } from "./dom.js";
import { bar } from "./gauge.js";
import { isHidden } from "./verdict.js";

const STATE_ORDER = ["done", "reading", "retrying", "waiting", "failed", "cancelled"];
const DECISION_ORDER = ["pneumonia", "uncertain", "normal"];

/** filter -> whether a row passes it */
const FILTERS = {
  all: () => true,
  pneumonia: ({ reading }) => reading?.decision === "pneumonia",
  uncertain: ({ reading }) => reading?.decision === "uncertain",
  normal: ({ reading }) => reading?.decision === "normal",
  failed: ({ item }) => isUnread(item),
  open: ({ item }) => isOpen(item),
};

/** column -> what it is sorted by */
const COLUMNS = {
  file: { key: (row) => row.item.name, compare: (one, other) => one.localeCompare(other, undefined, { numeric: true }) },
  decision: { key: (row) => (row.reading ? DECISION_ORDER.indexOf(row.reading.decision) : 3 + STATE_ORDER.indexOf(row.item.state)) },
  probability: { key: (row) => row.answer?.probability ?? null },
  subtype: { key: (row) => row.reading?.subtype ?? null },
  warnings: { key: (row) => row.answer?.warnings.length ?? null },
  size: { key: ({ item }) => (item.answer ? item.answer.image.width * item.answer.image.height : null) },
};

export class Table {
  #page;
  #act;
  #rows = new Map();
  #sort = { column: null, down: false };
  #filter = { words: "", answer: "all" };
  #read = [];
  #shown = [];
  #head;
  #body;
  #empty;

  /**
   * @param {HTMLElement} root
   * @param {() => {texts: object, contract: object, point: string, cases: import("./cases.js").Cases}} page
   * @param {Record<"select"|"open"|"cancel"|"retry"|"remove", (item: object) => void>} act
   */
  constructor(root, page, act) {
    this.#page = page;
    this.#act = act;
    this.#head = make("tr");
    this.#body = make("tbody", { role: "rowgroup", on: { click: (event) => this.#click(event), keydown: (event) => this.#key(event) } });
    this.#empty = make("p", { class: "no-rows", hidden: true });
    // explicit roles: rows laid out as a grid lose theirs in some browsers
    root.append(make("table", { role: "table" }, make("thead", {}, this.#head), this.#body), this.#empty);
  }

  filter(changes) {
    Object.assign(this.#filter, changes);
  }

  /** The cases that are shown, in display order. */
  get shown() {
    return this.#shown.map((row) => row.item);
  }

  /** The next shown case in a direction, +1 or -1. */
  neighbour(item, direction) {
    const items = this.shown;
    return items[items.indexOf(item) + direction] ?? null;
  }

  /** Position of the case among those shown, from 1; 0 where it is not shown. */
  place(item) {
    return this.shown.indexOf(item) + 1;
  }

  /** Bring the case's row into view. */
  reveal(item) {
    this.#rows.get(item.id)?.scrollIntoView({ block: "nearest" });
  }

  focus(item) {
    this.#rows.get(item.id)?.querySelector(".pick").focus();
  }

  draw() {
    this.#drawHead();
    const page = this.#page();
    const { cases, texts, contract, point } = page;
    this.#read = cases.all.map((item) => {
      // null also while the answer is hidden from the reader
      const answer = isHidden(item, page) ? null : item.answer;
      return { item, answer, reading: answer && decide(answer, contract, point) };
    });
    this.#shown = this.#sorted(this.#read.filter((row) => this.#passes(row)));
    const wanted = this.#shown.map((row) => this.#row(row));
    const focused = this.#body.contains(document.activeElement) ? document.activeElement : null;
    // moving a row loses its focus: reorder only where the order changed
    if (wanted.length !== this.#body.children.length || wanted.some((row, place) => row !== this.#body.children[place])) {
      this.#body.replaceChildren(...wanted);
      if (focused?.isConnected) focused.focus();
    }
    const alive = new Set(cases.all.map((item) => item.id));
    for (const id of this.#rows.keys()) if (!alive.has(id)) this.#rows.delete(id);
    this.#empty.hidden = wanted.length > 0;
    this.#empty.textContent = texts.say("list.none");
  }

  /** The number of cases that pass each filter. */
  get counts() {
    const count = (passes) => this.#read.filter(passes).length;
    return Object.fromEntries(Object.entries(FILTERS).map(([name, passes]) => [name, count(passes)]));
  }

  #passes(row) {
    const { words, answer } = this.#filter;
    return row.item.name.toLowerCase().includes(words.toLowerCase()) && FILTERS[answer](row);
  }

  #sorted(rows) {
    const { column, down } = this.#sort;
    if (!column) return rows;
    const { key, compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0) } = COLUMNS[column];
    const direction = down ? -1 : 1;
    return rows.sort((one, other) => {
      const [left, right] = [key(one), key(other)];
      // missing values stay at the end in both directions
      if (left === null || right === null) return (left === null) - (right === null);
      return direction * compare(left, right);
    });
  }

  #drawHead() {
    const { texts } = this.#page();
    const signature = [texts.language, this.#sort.column, this.#sort.down].join();
    if (this.#head.dataset.signature === signature) return;
    this.#head.dataset.signature = signature;
    const focused = this.#head.contains(document.activeElement) ? document.activeElement.dataset.column : null;
    const cells = Object.keys(COLUMNS).map((column) => {
      const active = this.#sort.column === column;
      const button = make(
        "button",
        { type: "button", class: "sort", "data-column": column, on: { click: () => this.#sortBy(column) } },
        texts.say(`column.${column}`),
        active ? (this.#sort.down ? " ↓" : " ↑") : "",
      );
      const order = active ? (this.#sort.down ? "descending" : "ascending") : "none";
      return make("th", { scope: "col", class: `col-${column}`, "aria-sort": order }, button);
    });
    const last = make("th", { scope: "col", class: "col-actions" }, make("span", { class: "hidden" }, texts.say("column.actions")));
    this.#head.replaceChildren(...cells, last);
    if (focused) this.#head.querySelector(`[data-column=${focused}]`).focus();
  }

  #sortBy(column) {
    const { column: old, down } = this.#sort;
    // the first click sorts figures in descending order, names in ascending
    const first = ["probability", "warnings", "size"].includes(column);
    if (old !== column) this.#sort = { column, down: first };
    else if (down === first) this.#sort = { column, down: !first };
    else this.#sort = { column: null, down: false };
    this.draw();
  }

  #row({ item, answer, reading }) {
    const { texts, cases } = this.#page();
    const { problem, state } = item;
    const row = this.#rows.get(item.id) ?? make("tr", { role: "row", "data-id": item.id });
    this.#rows.set(item.id, row);
    const selected = item === cases.selected;
    const signature = [texts.language, state, reading?.look, reading?.subtype, problem?.code, selected, answer?.request_id].join();
    if (row.dataset.signature === signature) return row;
    const focusedAction = row.contains(document.activeElement) ? (document.activeElement.dataset.action ?? "open") : null;
    row.dataset.signature = signature;
    row.dataset.decision = reading?.look ?? state;
    row.classList.toggle("selected", selected);
    const words = reading
      ? texts.say(`decision.${reading.look}`)
      : texts.say(item.answer ? "verdict.first" : problem ? `problem.${texts.known("problem", problem.code)}` : `state.${state}`);
    const pick = make(
      "button",
      { type: "button", class: "pick", "data-action": "open", "aria-current": selected ? "true" : null },
      item.name,
    );
    const glyph = reading?.look ?? (isUnread(item) ? "failed" : isOpen(item) && state !== "reading" ? "waiting" : "film");
    const cell = (column, ...children) => make("td", { role: "cell", class: `col-${column}` }, ...children);
    row.replaceChildren(
      cell("file", pick),
      cell("decision", icon(glyph), make("span", {}, words)),
      cell("probability", ...(answer ? [bar(answer.probability), make("span", {}, texts.percent(answer.probability))] : [])),
      cell("subtype", reading?.subtype ? texts.name("label", reading.subtype) : ""),
      cell("warnings", answer?.warnings.length ? texts.number(answer.warnings.length) : ""),
      cell("size", item.answer ? `${item.answer.image.width} × ${item.answer.image.height}` : ""),
      cell("actions", ...actions(item, texts)),
    );
    if (focusedAction) (row.querySelector(`[data-action=${focusedAction}]`) ?? pick).focus();
    return row;
  }

  #itemOf(event) {
    const id = Number(event.target.closest("tr")?.dataset.id);
    return this.#page().cases.all.find((item) => item.id === id);
  }

  #click(event) {
    const item = this.#itemOf(event);
    if (!item) return;
    const action = event.target.closest("button")?.dataset.action ?? "open";
    if (action === "remove") this.#leave(item);
    this.#act[action](item);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.#itemOf(event);
    const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (direction) {
      event.preventDefault();
      const next = this.neighbour(item, direction);
      if (!next) return;
      this.#act.select(next);
      this.focus(next);
    } else if (event.key === "Delete" && !isOpen(item)) {
      event.preventDefault();
      this.#leave(item);
      this.#act.remove(item);
    }
  }

  /** Focus a neighbour before the row is removed. */
  #leave(item) {
    const next = this.neighbour(item, 1) ?? this.neighbour(item, -1);
    if (next) this.focus(next);
  }
}

function actions(item, texts) {
  const button = (name, glyph) =>
    iconButton(glyph, texts.say(`case.${name}_named`, { name: item.name }), { "data-action": name });
  if (isOpen(item)) return [button("cancel", "close")];
  return canRetry(item) ? [button("retry", "retry"), button("remove", "remove")] : [button("remove", "remove")];
}

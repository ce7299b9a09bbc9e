/** The X-ray of the selected case with its evidence, and the tools to look at it. */

import { make } from "./dom.js";
import { isDrawable } from "./pictures.js";
import { Stage } from "./stage.js";
import { buildTools } from "./tools.js";
import { View } from "./view.js";

// milliseconds: longer than a held key takes to repeat, too short to be noticed
const LEAFING = 120;

export class Viewer {
  view = new View();
  #shelf;
  #texts;
  #first = new Stage(this.view);
  #second = new Stage(this.view);
  #message = make("p", { class: "stage-message" });
  #legend = make("div", { class: "legend" });
  #tools;
  #urls = [];
  #turn = 0;
  #shown = null;
  #decision = null;
  #hasEvidence = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./pictures.js").PictureShelf} shelf
   * @param {import("./texts.js").Texts} texts
   */
  constructor(root, shelf, texts) {
    this.#shelf = shelf;
    this.#texts = texts;
    this.#tools = buildTools(this.view);
    const frames = make("div", { class: "stages" }, this.#first.element, this.#second.element, this.#message, this.#legend);
    root.append(frames, this.#tools.element);
    this.frames = frames;
    this.view.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  /**
   * Show a case, or none.
   * @param {import("./cases.js").Case|null} item
   * @param {string|null} decision which the evidence follows while the reader has not chosen
   */
  async show(item, decision) {
    this.#decision = decision;
    this.#draw();
    const wanted = item && `${item.id} ${item.answer ? "answered" : item.state === "failed" ? "failed" : "open"}`;
    if (wanted === this.#shown) return;
    const sameCase = item && this.#shown?.startsWith(`${item.id} `);
    this.#shown = wanted;
    this.#settle(null);
    this.#turn += 1;
    const turn = this.#turn;
    if (!sameCase) {
      this.view.reset();
      this.#show(null, null, "");
      if (item && isDrawable(item.file)) this.#show(item.file, null, "");
      else if (item) this.#say(item.state === "failed" ? "viewer.not_drawable" : "viewer.waiting");
    }
    if (!item?.answer) {
      if (item?.state === "failed") await this.#checkDrawn(turn);
      return;
    }
    if (!isDrawable(item.file)) this.#say("viewer.loading");
    this.frames.setAttribute("aria-busy", "true");
    // whoever leafs through the cases asks for no pictures on the way
    await new Promise((resolve) => setTimeout(resolve, LEAFING));
    if (turn !== this.#turn) return;
    const pictures = await this.#shelf.of(item);
    if (turn !== this.#turn) return;
    if (pictures.plain) this.#show(pictures.plain, pictures.evidence, "");
    else this.#say(pictures.problem.code === "no_evidence" ? "viewer.no_evidence" : "viewer.no_picture");
    this.#settle(item);
  }

  toggleEvidence() {
    this.view.change({ evidence: !this.#evidenceOn });
  }

  relabel() {
    this.#texts.apply(this.frames);
    this.#texts.apply(this.#tools.element);
    this.#draw();
  }

  get #evidenceOn() {
    return this.view.evidence ?? this.#decision !== "normal";
  }

  /** Say whose pictures are all there; null: nobody's yet. */
  #settle(item) {
    this.frames.removeAttribute("aria-busy");
    if (item) this.frames.dataset.case = item.id;
    else delete this.frames.dataset.case;
  }

  async #checkDrawn(turn) {
    if (!(await this.#first.drawn()) && turn === this.#turn) this.#show(null, null, "viewer.not_drawable");
  }

  #show(plain, evidence, message) {
    const old = this.#urls;
    this.#urls = [plain, evidence].map((blob) => blob && URL.createObjectURL(blob));
    this.#hasEvidence = evidence !== null;
    this.#first.show(this.#urls[0], this.#urls[1]);
    this.#second.show(this.#urls[0], this.#urls[1]);
    for (const url of old) if (url) URL.revokeObjectURL(url);
    this.#say(message);
    this.#draw();
  }

  #say(key) {
    this.#message.dataset.text = key;
    this.#message.hidden = !key;
    this.#message.classList.toggle("over-picture", this.#urls[0] != null);
    if (key) this.#message.textContent = this.#texts.say(key);
    else delete this.#message.dataset.text;
  }

  /** Two pictures lie beside or above each other, whichever leaves them larger. */
  get #arrangement() {
    const { width, height } = this.frames.getBoundingClientRect();
    const beside = Math.min(width / 2, height * this.#first.aspect);
    const above = Math.min(width, (height / 2) * this.#first.aspect);
    return beside >= above ? "beside" : "above";
  }

  #draw() {
    const { view } = this;
    const shown = this.#hasEvidence && this.#evidenceOn;
    const { slope, intercept } = view.transfer;
    for (const part of document.querySelectorAll("#window-level feComponentTransfer > *")) {
      part.setAttribute("slope", slope);
      part.setAttribute("intercept", intercept);
    }
    this.#first.opacity = shown && !view.split ? view.opacity : 0;
    this.#second.opacity = shown ? view.opacity : 0;
    this.#second.element.hidden = !view.split;
    this.frames.dataset.split = view.split ? this.#arrangement : "none";
    this.#first.words = this.#texts.say(shown && !view.split ? "viewer.alt_evidence" : "viewer.alt");
    this.#second.words = this.#texts.say("viewer.alt_evidence");
    this.#first.caption.textContent = view.split ? this.#texts.say("viewer.original") : "";
    this.#second.caption.textContent = this.#texts.say("viewer.with_evidence");
    this.#legend.hidden = !shown;
    this.#legend.replaceChildren(
      make("span", { class: "legend-title" }, this.#texts.say("viewer.legend")),
      make("span", {}, this.#texts.say("viewer.weak")),
      make("span", { class: "ramp", "aria-hidden": "true" }),
      make("span", {}, this.#texts.say("viewer.strong")),
      make("span", { class: "legend-note" }, this.#texts.say("viewer.legend_note")),
    );
    this.#tools.draw(shown, this.#hasEvidence, this.#texts);
  }
}

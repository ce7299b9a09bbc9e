/** The X-ray of the selected case with its evidence, and the toolbar. */

import { make } from "./dom.js";
import { isDrawable } from "./images.js";
import { looksTheSame, sizeOfPng } from "./own-pixels.js";
import { Viewport } from "./viewport.js";
import { buildToolbar } from "./toolbar.js";
import { View } from "./view.js";

// milliseconds: longer than the repeat interval of a held key, too short to notice
const DEBOUNCE = 120;

export class Viewer {
  view = new View();
  #images;
  #texts;
  #first = new Viewport(this.view);
  #second = new Viewport(this.view);
  #message = make("p", { class: "viewport-message" });
  #legend = make("div", { class: "legend" });
  #turned = make("p", { "data-text": "viewer.turned" });
  #reduced = make("p");
  /** Sizes of the reduced copy that is shown and of the X-ray itself; null: all pixels are there. */
  #sizes = null;
  #toolbar;
  #urls = [];
  #turn = 0;
  #shown = null;
  #decision = null;
  #hasEvidence = false;
  #hidden = false;

  #root;

  /**
   * @param {HTMLElement} root
   * @param {import("./images.js").ImageCache} images
   * @param {import("./texts.js").Texts} texts
   */
  constructor(root, images, texts) {
    this.#images = images;
    this.#texts = texts;
    this.#root = root;
    this.#toolbar = buildToolbar(this.view, () => this.toggleFullScreen());
    const notes = make("div", { class: "viewport-notes" }, this.#turned, this.#reduced);
    const over = [this.#message, notes, this.#legend];
    const frames = make("div", { class: "viewports" }, this.#first.element, this.#second.element, ...over);
    root.append(frames, this.#toolbar.element);
    this.frames = frames;
    this.view.addEventListener("change", () => this.#draw());
    document.addEventListener("fullscreenchange", () => this.#draw());
    this.#draw();
  }

  /**
   * Show a case, or none.
   * @param {import("./cases.js").Case|null} item
   * @param {string|null} decision which sets whether evidence is shown until the user chooses
   * @param {boolean} hidden whether the evidence is hidden from the reader, as the answer is
   */
  async show(item, decision, hidden) {
    this.#decision = decision;
    this.#hidden = hidden;
    const lungs = hidden ? null : (item?.answer?.lungs ?? null);
    this.#first.lungs = lungs;
    this.#second.lungs = lungs;
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
    // stepping quickly through cases requests no images for those passed
    await new Promise((resolve) => setTimeout(resolve, DEBOUNCE));
    if (turn !== this.#turn) return;
    const rendered = await this.#images.of(item);
    if (turn !== this.#turn) return;
    if (rendered.plain) await this.#showRendered(item, rendered, turn);
    else this.#say(rendered.problem.code === "no_evidence" ? "viewer.no_evidence" : "viewer.no_image");
    if (turn === this.#turn) this.#settle(item);
  }

  /** All pixels of the X-ray: of the service's drawing, or of the file where that is a reduced copy. */
  async #showRendered(item, { plain, evidence }, turn) {
    const { width, height } = item.answer.image;
    const copy = await sizeOfPng(plain);
    const isReduced = copy[0] < width || copy[1] < height;
    const own = isReduced && isDrawable(item.file) && (await looksTheSame(item.file, plain));
    if (turn !== this.#turn) return;
    this.#show(own ? item.file : plain, evidence, "", Math.max(width, height), isReduced && !own ? { copy, whole: [width, height] } : null);
  }

  toggleEvidence() {
    this.view.change({ evidence: !this.#evidenceOn });
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#root.requestFullscreen?.();
  }

  relabel() {
    this.#texts.apply(this.frames);
    this.#texts.apply(this.#toolbar.element);
    this.#draw();
  }

  get #evidenceOn() {
    return this.view.evidence ?? this.#decision !== "normal";
  }

  /** Mark the case whose images are complete; null: none yet. */
  #settle(item) {
    this.frames.removeAttribute("aria-busy");
    if (item) this.frames.dataset.case = item.id;
    else delete this.frames.dataset.case;
  }

  async #checkDrawn(turn) {
    if (!(await this.#first.drawn()) && turn === this.#turn) this.#show(null, null, "viewer.not_drawable");
  }

  #show(plain, evidence, message, longSide = null, sizes = null) {
    this.#sizes = sizes;
    const old = this.#urls;
    this.#urls = [plain, evidence].map((blob) => blob && URL.createObjectURL(blob));
    this.#hasEvidence = evidence !== null;
    this.#first.show(this.#urls[0], this.#urls[1], longSide);
    this.#second.show(this.#urls[0], this.#urls[1], longSide);
    for (const url of old) if (url) URL.revokeObjectURL(url);
    this.#say(message);
    this.#draw();
  }

  #say(key) {
    this.#message.dataset.text = key;
    this.#message.hidden = !key;
    this.#message.classList.toggle("over-image", this.#urls[0] != null);
    if (key) this.#message.textContent = this.#texts.say(key);
    else delete this.#message.dataset.text;
  }

  /** Side by side or stacked, whichever leaves the images larger. */
  get #arrangement() {
    const { width, height } = this.frames.getBoundingClientRect();
    const beside = Math.min(width / 2, height * this.#first.aspect);
    const above = Math.min(width, (height / 2) * this.#first.aspect);
    return beside >= above ? "beside" : "above";
  }

  #draw() {
    const { view } = this;
    const available = this.#hasEvidence && !this.#hidden;
    const shown = available && this.#evidenceOn;
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
    this.#turned.hidden = view.turns === 0 && !view.mirrored;
    this.#reduced.hidden = this.#sizes === null;
    if (this.#sizes) this.#reduced.textContent = this.#texts.say("viewer.reduced", { copy: size(this.#sizes.copy), whole: size(this.#sizes.whole) });
    this.#legend.hidden = !shown;
    this.#legend.replaceChildren(
      make("span", { class: "legend-title" }, this.#texts.say("viewer.legend")),
      make("span", {}, this.#texts.say("viewer.weak")),
      make("span", { class: "ramp", "aria-hidden": "true" }),
      make("span", {}, this.#texts.say("viewer.strong")),
      make("span", { class: "legend-note" }, this.#texts.say("viewer.legend_note")),
      ...(this.#first.framed ? [make("span", { class: "legend-note" }, this.#texts.say("viewer.lungs"))] : []),
    );
    this.#toolbar.draw(shown, available, this.#texts);
  }
}

/** Width and height, which stay on one line. */
function size(sides) {
  return sides.join("\u00a0×\u00a0");
}

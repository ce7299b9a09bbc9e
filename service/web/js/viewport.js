/** One viewport: an image with its evidence, and the pointer, wheel and keys that act on it. */

import { make } from "./dom.js";

const WHEEL_STEP = 0.0016;
const KEY_STEP = 40;

export class Viewport {
  #view;
  #plain = make("img", { class: "xray", alt: "", draggable: "false" });
  #evidence = make("img", { class: "evidence", alt: "", draggable: "false" });
  #lungs = make("div", { class: "lungs", hidden: true });
  #film = make("div", { class: "film" }, this.#plain, this.#evidence, this.#lungs);
  #pointers = new Map();
  #longSide = null;
  #fitted = 0;
  caption = make("p", { class: "viewport-caption" });

  /** @param {import("./view.js").View} view shared by viewports that move together */
  constructor(view) {
    this.#view = view;
    this.element = make(
      "div",
      {
        class: "viewport",
        tabindex: "0",
        role: "application",
        "data-label": "viewer.viewport",
        on: {
          pointerdown: (event) => this.#press(event),
          pointermove: (event) => this.#drag(event),
          pointerup: (event) => this.#lift(event),
          pointercancel: (event) => this.#lift(event),
          wheel: (event) => this.#wheel(event),
          dblclick: () => this.#view.fit(),
          contextmenu: (event) => event.preventDefault(),
          keydown: (event) => this.#key(event),
        },
      },
      this.#film,
      this.caption,
    );
    // set here: in a stylesheet, url(#...) resolves against the stylesheet's own URL
    this.#plain.style.filter = "url(#window-level)";
    this.#plain.addEventListener("load", () => this.fit());
    new ResizeObserver(() => this.fit()).observe(this.element);
    view.addEventListener("change", () => this.#draw());
  }

  /**
   * @param {string|null} plain URL of the image
   * @param {string|null} evidence URL
   * @param {number|null} longSide of the X-ray in pixels, of which the image may be a reduced copy;
   *   null: of the image itself
   */
  show(plain, evidence, longSide) {
    this.#longSide = longSide;
    set(this.#plain, plain);
    set(this.#evidence, evidence);
    this.#film.hidden = plain === null;
    this.#draw();
  }

  set opacity(value) {
    this.#evidence.style.opacity = String(value);
    this.#lungs.style.visibility = value > 0 ? "visible" : "hidden";
  }

  /** Whether there is a box around the lungs. */
  get framed() {
    return !this.#lungs.hidden;
  }

  /** The box around the lungs in shares of the image; null where the model does not look for them. */
  set lungs(box) {
    this.#lungs.hidden = box === null;
    if (!box) return;
    const percent = (share) => `${100 * share}%`;
    const { left, top, right, bottom } = box;
    Object.assign(this.#lungs.style, { left: percent(left), top: percent(top), right: percent(1 - right), bottom: percent(1 - bottom) });
  }

  set words(words) {
    this.#plain.alt = words;
  }

  /** Whether the browser could decode the image. */
  async drawn() {
    try {
      await this.#plain.decode();
      return true;
    } catch {
      return false;
    }
  }

  /** Width over height of the image as it is turned; 1 while there is none. */
  get aspect() {
    const [width, height] = this.#sides;
    return width / height || 1;
  }

  /** Width and height of the image as it is turned, in its own pixels. */
  get #sides() {
    const sides = [this.#plain.naturalWidth, this.#plain.naturalHeight];
    return this.#view.turns % 2 ? sides.reverse() : sides;
  }

  fit() {
    const [width, height] = this.#sides;
    const frame = this.element.getBoundingClientRect();
    if (!width || !frame.width) return;
    const scale = Math.min(frame.width / width, frame.height / height);
    this.#film.style.width = `${this.#plain.naturalWidth * scale}px`;
    this.#film.style.height = `${this.#plain.naturalHeight * scale}px`;
    this.#fitted = this.#view.turns % 2;
    const reduction = Math.max(width, height) / (this.#longSide ?? Math.max(width, height));
    this.#view.resize({ width: width * scale, height: height * scale }, scale * reduction * devicePixelRatio);
  }

  #draw() {
    const { x, y, zoom, turns, mirrored } = this.#view;
    // lying on its side it needs another size to fit
    if (turns % 2 !== this.#fitted) this.fit();
    this.#film.style.transform =
      `translate(-50%, -50%) translate(${x}px, ${y}px) ` +
      `scale(${mirrored ? -zoom : zoom}, ${zoom}) rotate(${turns * 90}deg)`;
    this.#film.style.setProperty("--zoom", String(zoom));
    this.element.dataset.tool = this.#view.tool;
  }

  #fromCentre(event) {
    const frame = this.element.getBoundingClientRect();
    return [event.clientX - frame.left - frame.width / 2, event.clientY - frame.top - frame.height / 2];
  }

  #press(event) {
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
  }

  #drag(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    const other = [...this.#pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const ratio = distance(event, other) / Math.max(1, distance(before, other));
      this.#view.zoomAt(ratio, ...this.#fromCentre(other));
    } else if (this.#view.tool === "window" || before.button === 2) {
      this.#view.window(dx, dy);
    } else {
      this.#view.pan(dx, dy);
    }
    // pointermove has no button: keep the one that was pressed
    this.#pointers.set(event.pointerId, {
      pointerId: event.pointerId,
      button: before.button,
      clientX: event.clientX,
      clientY: event.clientY,
    });
  }

  #lift(event) {
    this.#pointers.delete(event.pointerId);
  }

  #wheel(event) {
    event.preventDefault();
    this.#view.zoomAt(Math.exp(-event.deltaY * WHEEL_STEP), ...this.#fromCentre(event));
  }

  #key(event) {
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [dx, dy] = step;
    if (this.#view.tool === "window") this.#view.window(-dx * 5, -dy * 5);
    else this.#view.pan(dx * KEY_STEP, dy * KEY_STEP);
  }
}

function set(image, source) {
  image.hidden = source === null;
  if (source === null) image.removeAttribute("src");
  else image.src = source;
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}

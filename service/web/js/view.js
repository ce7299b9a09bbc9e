/** State of the viewer: zoom, position, turns, window, inversion, evidence. */

// how much larger than the whole image, and than its own pixels, it can be shown
const MAX_ZOOM = 16;
const FULL_RANGE = { centre: 127.5, width: 255 };
// strong enough to be seen at once, faint enough to see what lies beneath
const OPACITY = 0.4;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class View extends EventTarget {
  /** 1 shows the whole image. */
  zoom = 1;
  /** Offset of the image's centre from the viewport's, in CSS pixels. */
  x = 0;
  y = 0;
  /** Grey values 0..255 that become black and white: centre -/+ half the width. */
  centre = FULL_RANGE.centre;
  width = FULL_RANGE.width;
  inverted = false;
  /** Quarter turns clockwise, then whether left and right are exchanged: for looking only. */
  turns = 0;
  mirrored = false;
  /** Whether the evidence is shown; null: as the answer suggests. */
  evidence = null;
  opacity = OPACITY;
  split = false;
  tool = "pan";
  /** Size of the image at zoom 1, in CSS pixels. */
  #extent = { width: 0, height: 0 };
  /** Pixels of the screen for each pixel of the X-ray at zoom 1. */
  #unit = 1;

  change(changes) {
    Object.assign(this, changes);
    this.zoom = this.#allowed(this.zoom);
    // the centre of the viewport always shows part of the image
    const [reachX, reachY] = [this.#extent.width, this.#extent.height].map((side) => (side * (this.zoom - 0.5)) / 2);
    this.x = this.zoom <= 1 ? 0 : clamp(this.x, -reachX, reachX);
    this.y = this.zoom <= 1 ? 0 : clamp(this.y, -reachY, reachY);
    this.width = clamp(this.width, 1, 510);
    this.centre = clamp(this.centre, 0, 255);
    this.opacity = clamp(this.opacity, 0, 1);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {{width: number, height: number}} extent of the image at zoom 1, in CSS pixels @param {number} unit */
  resize(extent, unit) {
    this.#extent = extent;
    this.#unit = unit;
    this.change({});
  }

  /** Pixels of the screen for each pixel of the X-ray. */
  get scale() {
    return this.zoom * this.#unit;
  }

  /** Show each pixel of the X-ray as one of the screen. */
  actualSize() {
    this.change({ zoom: 1 / this.#unit });
  }

  #allowed(zoom) {
    // down to the whole image, or to its own pixels where that is smaller
    return clamp(zoom, Math.min(1, 1 / this.#unit), MAX_ZOOM * Math.max(1, 1 / this.#unit));
  }

  /** Turn by 90 degrees clockwise, as seen. */
  turn() {
    this.change({ turns: (this.turns + (this.mirrored ? 3 : 1)) % 4 });
  }

  /** Zoom by a factor and keep the point (x, y), measured from the viewport's centre, in place. */
  zoomAt(factor, x = 0, y = 0) {
    const zoom = this.#allowed(this.zoom * factor);
    const ratio = zoom / this.zoom;
    this.change({ zoom, x: x - (x - this.x) * ratio, y: y - (y - this.y) * ratio });
  }

  pan(dx, dy) {
    this.change({ x: this.x + dx, y: this.y + dy });
  }

  /** A step of a drag or key: right widens the window, down raises the level (darker). */
  window(dx, dy) {
    this.change({ width: this.width + dx, centre: this.centre + dy });
  }

  /** Switch what dragging does: pan, or set window and level. */
  toggleWindow() {
    this.change({ tool: this.tool === "window" ? "pan" : "window" });
  }

  fit() {
    this.change({ zoom: 1, x: 0, y: 0 });
  }

  /** Reset what belongs to one image; tool, split and evidence stay. */
  reset() {
    this.change({ zoom: 1, x: 0, y: 0, turns: 0, mirrored: false, ...FULL_RANGE, inverted: false });
  }

  /** The linear map of grey values 0..1 that window and inversion make. */
  get transfer() {
    const slope = 255 / this.width;
    const intercept = 0.5 - this.centre / this.width;
    return this.inverted ? { slope: -slope, intercept: 1 - intercept } : { slope, intercept };
  }
}

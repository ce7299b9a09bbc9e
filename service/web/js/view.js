/** How a picture is looked at: zoom, place, window, inversion, evidence. No elements in here. */

const MOST_ZOOM = 16;
const WHOLE = { centre: 127.5, width: 255 };
// strong enough to be seen at once, faint enough to see what lies beneath
const OPACITY = 0.4;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class View extends EventTarget {
  /** 1 shows the whole picture. */
  zoom = 1;
  /** Offset of the picture's centre from the stage's, in CSS pixels. */
  x = 0;
  y = 0;
  /** Grey values 0..255 that become black and white: centre -/+ half the width. */
  centre = WHOLE.centre;
  width = WHOLE.width;
  inverted = false;
  /** Whether the evidence is shown; null leaves it to the answer. */
  evidence = null;
  opacity = OPACITY;
  split = false;
  tool = "pan";
  /** Size of the picture at zoom 1, in CSS pixels. */
  #extent = { width: 0, height: 0 };

  change(changes) {
    Object.assign(this, changes);
    this.zoom = clamp(this.zoom, 1, MOST_ZOOM);
    // the middle of the stage always shows some of the picture
    const [reachX, reachY] = [this.#extent.width, this.#extent.height].map((side) => (side * (this.zoom - 0.5)) / 2);
    this.x = this.zoom === 1 ? 0 : clamp(this.x, -reachX, reachX);
    this.y = this.zoom === 1 ? 0 : clamp(this.y, -reachY, reachY);
    this.width = clamp(this.width, 1, 510);
    this.centre = clamp(this.centre, 0, 255);
    this.opacity = clamp(this.opacity, 0, 1);
    this.dispatchEvent(new Event("change"));
  }

  fit(extent) {
    this.#extent = extent;
    this.change({});
  }

  /** Zoom by a factor and keep the point (x, y), measured from the stage's centre, where it is. */
  zoomAt(factor, x = 0, y = 0) {
    const zoom = clamp(this.zoom * factor, 1, MOST_ZOOM);
    const ratio = zoom / this.zoom;
    this.change({ zoom, x: x - (x - this.x) * ratio, y: y - (y - this.y) * ratio });
  }

  pan(dx, dy) {
    this.change({ x: this.x + dx, y: this.y + dy });
  }

  /** A step of a drag or key: to the right widens, down darkens. */
  window(dx, dy) {
    this.change({ width: this.width + dx, centre: this.centre + dy });
  }

  /** What dragging does: move the picture, or set window and level. */
  toggleWindow() {
    this.change({ tool: this.tool === "window" ? "pan" : "window" });
  }

  whole() {
    this.change({ zoom: 1, x: 0, y: 0 });
  }

  /** Everything that belongs to one picture, back to how it came; tool, split and evidence stay. */
  reset() {
    this.change({ zoom: 1, x: 0, y: 0, ...WHOLE, inverted: false });
  }

  /** The linear map of grey values 0..1 that window and inversion make. */
  get transfer() {
    const slope = 255 / this.width;
    const intercept = 0.5 - this.centre / this.width;
    return this.inverted ? { slope: -slope, intercept: 1 - intercept } : { slope, intercept };
  }
}

// What scenes draw with: a canvas, a camera, the theme's colours, and what is
// selected. Coordinates are the scene's; the camera's zoom is pixels for each unit.

const face = '"DejaVu Sans", "Noto Sans", "Segoe UI", system-ui, sans-serif';
const mostTexts = 4000; // cut texts that are remembered
const least = 9; // pixels: text is no smaller
const worthwhile = 6.5; // pixels: what would be smaller than this is left out

export class Brush {
  /** @param {CanvasRenderingContext2D} g */
  constructor(g) {
    this.g = g;
    /** @type {Record<string, string>} */
    this.c = {};
    this.zoom = 1;
    /** What of the scene is seen. @type {import("./types.js").Rect} */
    this.view = { x: 0, y: 0, w: 0, h: 0 };
    /** @type {string|null} */
    this.selected = null;
    /** @type {string|null} */
    this.hovered = null;
    this.cuts = new Map();
  }

  /** Whether a part of the rectangle is seen. @param {import("./types.js").Rect} r */
  sees(r) {
    const v = this.view;
    return r.x < v.x + v.w && r.x + r.w > v.x && r.y < v.y + v.h && r.y + r.h > v.y;
  }

  /** A filled rectangle with round corners. */
  box(x, y, w, h, radius, fill) {
    const g = this.g;
    g.fillStyle = fill;
    if (radius * this.zoom < 1.5) {
      g.fillRect(x, y, w, h);
      return;
    }
    g.beginPath();
    g.roundRect(x, y, w, h, radius);
    g.fill();
  }

  /** The outline of a rectangle; width is in pixels. */
  frame(x, y, w, h, radius, colour, width = 1) {
    const g = this.g;
    g.strokeStyle = colour;
    g.lineWidth = width / this.zoom;
    g.beginPath();
    g.roundRect(x, y, w, h, radius);
    g.stroke();
  }

  line(points, colour, width) {
    const g = this.g;
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.beginPath();
    g.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) g.lineTo(points[i], points[i + 1]);
    g.stroke();
  }

  /** A line that leaves and arrives upright. */
  curve(x1, y1, x2, y2, colour, width) {
    const g = this.g;
    const bend = (y2 - y1) / 2;
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.beginPath();
    g.moveTo(x1, y1);
    g.bezierCurveTo(x1, y1 + bend, x2, y2 - bend, x2, y2);
    g.stroke();
  }

  disc(x, y, radius, fill, stroke = "", width = 0) {
    const g = this.g;
    g.beginPath();
    g.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) {
      g.fillStyle = fill;
      g.fill();
    }
    if (stroke) {
      g.strokeStyle = stroke;
      g.lineWidth = width;
      g.stroke();
    }
  }

  /**
   * Writes a line of text, cut to a width, as large as it takes to be read; from too
   * far away it is left out.
   * @param {string} text @param {number} x @param {number} y of the middle
   * @param {{size?: number, width?: number, colour?: string, bold?: boolean, align?: CanvasTextAlign, end?: number}} o end: how many of the last characters a cut keeps
   */
  text(text, x, y, { size = 12, width = Infinity, colour = this.c.text, bold = false, align = "left", end = 0 } = {}) {
    if (size * this.zoom < worthwhile || !text) return;
    const g = this.g;
    g.font = `${bold ? "600 " : ""}${Math.max(size, least / this.zoom)}px ${face}`;
    g.textAlign = align;
    g.textBaseline = "middle";
    g.fillStyle = colour;
    g.fillText(width === Infinity ? text : this.cut(text, width, end), x, y);
  }

  /** The part of a text that fits; the font is set. */
  cut(text, width, end = 0) {
    const key = `${this.g.font}|${Math.round(width)}|${end}|${text}`;
    let out = this.cuts.get(key);
    if (out !== undefined) return out;
    out = text.length > 300 ? text.slice(0, 300) : text;
    if (this.g.measureText(out).width > width) {
      const last = end > 0 && end < out.length ? out.slice(-end) : "";
      let low = 0;
      let high = out.length;
      while (low < high) {
        const mid = (low + high + 1) >> 1;
        if (this.g.measureText(out.slice(0, mid) + "…" + last).width <= width) low = mid;
        else high = mid - 1;
      }
      out = low > 0 ? out.slice(0, low) + "…" + last : "";
    }
    if (this.cuts.size > mostTexts) this.cuts.clear();
    this.cuts.set(key, out);
    return out;
  }
}

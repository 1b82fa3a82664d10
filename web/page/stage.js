// The canvas: a camera over a scene, moved by pointer, wheel and keys, drawn only
// when something has changed.

import { Brush } from "./brush.js";
import { byID } from "./dom.js";

const closest = 6; // pixels for each unit
const margin = 48; // pixels around what is shown whole

export class Stage {
  /** @param {{pick: (key: string|null) => void}} on */
  constructor(on) {
    this.on = on;
    /** @type {HTMLCanvasElement} */
    this.canvas = byID("canvas");
    this.tip = byID("tip");
    this.brush = new Brush(this.canvas.getContext("2d", { alpha: false }));
    /** @type {import("./types.js").Scene|null} */
    this.scene = null;
    this.camera = { x: 0, y: 0, zoom: 1 };
    /** Whether everything is to stay in view as it grows. */
    this.whole = true;
    this.size = { w: 0, h: 0, ratio: 1 };
    this.asked = 0;
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
  }

  /** @param {import("./types.js").Scene} scene @param {boolean} other whether it is another view */
  show(scene, other) {
    this.scene = scene;
    if (other || this.whole) this.fit();
    this.draw();
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    this.size = { w: box.width, h: box.height, ratio };
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    if (this.whole) this.fit();
    this.draw();
  }

  /** Shows all of the scene. */
  fit() {
    this.whole = true;
    if (this.scene) this.frame(this.scene.bounds, 1.25);
  }

  /** Shows a rectangle, no closer than the zoom. */
  frame(r, zoom) {
    const { w, h } = this.size;
    const fits = Math.min((w - 2 * margin) / Math.max(r.w, 1), (h - 2 * margin - 40) / Math.max(r.h, 1));
    this.camera.zoom = Math.max(Math.min(fits, zoom), 0.002);
    this.camera.x = r.x + r.w / 2;
    this.camera.y = r.y + r.h / 2 + 20 / this.camera.zoom;
    this.draw();
  }

  /** Shows a thing from near, unless it is well in view. @param {string} key */
  visit(key) {
    const r = this.scene?.find(key);
    if (!r) return;
    const v = this.view();
    const inside = r.x >= v.x && r.y >= v.y && r.x + r.w <= v.x + v.w && r.y + r.h <= v.y + v.h;
    if (inside && Math.max(r.w, r.h) * this.camera.zoom > 30) return;
    this.whole = false;
    this.frame(r, key.startsWith("port:") ? 3.8 : 1.3);
  }

  /** What of the scene is seen. */
  view() {
    const { x, y, zoom } = this.camera;
    const { w, h } = this.size;
    return { x: x - w / 2 / zoom, y: y - h / 2 / zoom, w: w / zoom, h: h / zoom };
  }

  /** Draws with the next frame. */
  draw() {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.asked = 0;
    const begin = performance.now();
    const b = this.brush;
    const { ratio } = this.size;
    b.zoom = this.camera.zoom;
    b.view = this.view();
    b.g.setTransform(1, 0, 0, 1, 0, 0);
    b.g.fillStyle = b.c.page || "#fff";
    b.g.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const scale = b.zoom * ratio;
    b.g.setTransform(scale, 0, 0, scale, -b.view.x * scale, -b.view.y * scale);
    this.scene?.draw(b);
    // For who measures; the browser's own tools show it as well.
    performance.clearMeasures("lepton-frame");
    performance.measure("lepton-frame", { start: begin, end: performance.now() });
  }

  /** @param {number} factor @param {number} [px] @param {number} [py] the point that stays, in pixels */
  zoomBy(factor, px = this.size.w / 2, py = this.size.h / 2) {
    const c = this.camera;
    const far = this.scene ? 0.4 * Math.min(this.size.w / Math.max(this.scene.bounds.w, 1), this.size.h / Math.max(this.scene.bounds.h, 1)) : 0.01;
    const zoom = Math.min(Math.max(c.zoom * factor, Math.min(far, 0.5)), closest);
    const dx = px - this.size.w / 2;
    const dy = py - this.size.h / 2;
    c.x += dx / c.zoom - dx / zoom;
    c.y += dy / c.zoom - dy / zoom;
    c.zoom = zoom;
    this.whole = false;
    this.draw();
  }

  moveBy(px, py) {
    this.camera.x -= px / this.camera.zoom;
    this.camera.y -= py / this.camera.zoom;
    this.whole = false;
    this.draw();
  }

  at(e) {
    const box = this.canvas.getBoundingClientRect();
    const v = this.view();
    const x = v.x + (e.clientX - box.left) / this.camera.zoom;
    const y = v.y + (e.clientY - box.top) / this.camera.zoom;
    return this.scene?.at(x, y, this.camera.zoom) ?? null;
  }

  listen() {
    const canvas = this.canvas;
    /** @type {{x: number, y: number, moved: boolean}|null} */
    let grip = null;
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      grip = { x: e.clientX, y: e.clientY, moved: false };
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!grip) return this.hover(e);
      const dx = e.clientX - grip.x;
      const dy = e.clientY - grip.y;
      if (!grip.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
      grip = { x: e.clientX, y: e.clientY, moved: true };
      canvas.classList.add("drag");
      this.tip.hidden = true;
      this.moveBy(dx, dy);
    });
    canvas.addEventListener("pointerup", (e) => {
      const still = grip && !grip.moved;
      grip = null;
      canvas.classList.remove("drag");
      if (still) this.on.pick(this.at(e)?.key ?? null);
    });
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const box = canvas.getBoundingClientRect();
      const lines = e.deltaMode === 1 ? 30 : 1;
      this.zoomBy(Math.exp(-Math.max(-240, Math.min(240, e.deltaY * lines)) * 0.0022), e.clientX - box.left, e.clientY - box.top);
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => this.key(e));
    byID("zoom-in").addEventListener("click", () => this.zoomBy(1.5));
    byID("zoom-out").addEventListener("click", () => this.zoomBy(1 / 1.5));
    byID("zoom-fit").addEventListener("click", () => this.fit());
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = 80;
    const keys = {
      ArrowLeft: () => this.moveBy(step, 0), ArrowRight: () => this.moveBy(-step, 0),
      ArrowUp: () => this.moveBy(0, step), ArrowDown: () => this.moveBy(0, -step),
      "+": () => this.zoomBy(1.3), "=": () => this.zoomBy(1.3), "-": () => this.zoomBy(1 / 1.3), "0": () => this.fit(),
    };
    const fn = keys[e.key];
    if (!fn) return;
    e.preventDefault();
    fn();
  }

  /** @param {PointerEvent|null} e */
  hover(e) {
    const hit = e && this.at(e);
    const key = hit?.key ?? null;
    this.canvas.classList.toggle("over", key !== null);
    this.tip.hidden = !hit?.tip;
    if (hit?.tip) {
      const box = this.canvas.getBoundingClientRect();
      this.tip.textContent = hit.tip;
      this.tip.style.left = `${Math.min(e.clientX - box.left + 14, box.width - 240)}px`;
      this.tip.style.top = `${Math.min(e.clientY - box.top + 16, box.height - 70)}px`;
    }
    if (key === this.brush.hovered) return;
    this.brush.hovered = key;
    this.draw();
  }
}

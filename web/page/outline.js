// The list beside the picture: everything that can be selected in a view, by
// keyboard too. Only the rows that are seen are elements.

import { hueOf } from "./colour.js";
import { byID, h, titleOf } from "./dom.js";
import { health } from "./physical.js";

const rowHeight = 30;
const spare = 6; // rows beyond the edges

/** @typedef {{key: string|null, name: string, count: string, swatch: {class?: string, hue?: number}}} Row */

export class Outline {
  /** @param {{pick: (key: string) => void}} on */
  constructor(on) {
    this.on = on;
    this.box = byID("rows");
    this.space = h("div", { class: "space" });
    this.box.append(this.space);
    /** @type {Row[]} */
    this.all = [];
    /** @type {Row[]} */
    this.rows = [];
    this.selected = null;
    this.filter = byID("filter");
    this.filter.addEventListener("input", () => this.sift());
    this.box.addEventListener("scroll", () => this.draw());
    this.box.addEventListener("keydown", (e) => this.key(e));
    this.box.addEventListener("click", (e) => {
      const key = e.target.closest(".row")?.dataset.key;
      if (key) this.on.pick(key);
    });
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  /** @param {import("./cloud.js").Cloud} cloud @param {string} view */
  show(cloud, view) {
    this.all = view === "physical" ? hostRows(cloud) : [...networkRows(cloud), ...routerRows(cloud)];
    this.sift();
    const { networks, routers, hosts } = cloud.now;
    const ports = networks.reduce((sum, n) => sum + n.ports, 0);
    const tile = (n, text) => h("div", {}, h("b", { text: n.toLocaleString("en") }), h("span", { text }));
    byID("totals").replaceChildren(tile(ports, "ports"), tile(networks.length, "networks"),
      hosts ? tile(hosts.filter((x) => x.host).length, "hosts") : tile(routers.length, "routers"));
  }

  sift() {
    const text = this.filter.value.trim().toLowerCase();
    this.rows = text ? this.all.filter((r) => r.key && (r.name.toLowerCase().includes(text) || r.key.includes(text))) : this.all;
    this.space.style.height = `${this.rows.length * rowHeight}px`;
    this.draw();
  }

  /** @param {string|null} key */
  select(key) {
    this.selected = key;
    const i = this.rows.findIndex((r) => r.key === key);
    const { scrollTop, clientHeight } = this.box;
    if (i >= 0 && (i * rowHeight < scrollTop || (i + 1) * rowHeight > scrollTop + clientHeight)) this.box.scrollTop = (i - 3) * rowHeight;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / rowHeight) - spare);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / rowHeight) + spare);
    const rows = [];
    for (let i = first; i < last; i++) rows.push(this.element(this.rows[i], i));
    this.space.replaceChildren(...rows);
    const active = this.rows.findIndex((r) => r.key === this.selected);
    if (active >= first && active < last) this.box.setAttribute("aria-activedescendant", "row-" + active);
    else this.box.removeAttribute("aria-activedescendant");
  }

  /** @param {Row} r */
  element(r, i) {
    const e = r.key
      ? h("div", { class: "row", role: "option", id: "row-" + i, "data-key": r.key, "aria-selected": String(r.key === this.selected), "aria-setsize": this.rows.length, "aria-posinset": i + 1 },
        swatch(r.swatch), h("span", { class: "name", text: r.name, title: r.name }), h("span", { class: "count", text: r.count }))
      : h("div", { class: "row head", role: "presentation", text: r.name });
    e.style.top = `${i * rowHeight}px`;
    return e;
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.rows.length, End: this.rows.length };
    const step = steps[e.key];
    if (!step || !this.rows.length) return;
    e.preventDefault();
    const at = this.rows.findIndex((r) => r.key === this.selected);
    let i = Math.max(0, Math.min(this.rows.length - 1, at + step));
    const way = step > 0 ? 1 : -1;
    while (this.rows[i] && !this.rows[i].key) i += way;
    if (!this.rows[i]) i = this.rows.findIndex((r) => r.key);
    if (this.rows[i]?.key) this.on.pick(this.rows[i].key);
  }
}

/** The little sign before a name. */
export function swatch({ class: kind = "", hue }) {
  const e = h("span", { class: "swatch " + kind, "aria-hidden": "true" });
  if (hue !== undefined) e.style.background = `oklch(var(--network-l) var(--network-c) ${hue})`;
  return e;
}

const order = new Intl.Collator("en", { numeric: true });
const byName = (a, b) => order.compare(a.name, b.name) || (a.key < b.key ? -1 : 1);

/** @returns {Row[]} */
function networkRows(cloud) {
  const rows = cloud.now.networks.map((n) => ({
    key: "network:" + n.id, name: titleOf(n), count: n.ports.toLocaleString("en"), swatch: { hue: hueOf(n.id) },
  })).sort(byName);
  return rows.length ? [head("Networks"), ...rows] : [];
}

/** @returns {Row[]} */
function routerRows(cloud) {
  const rows = cloud.now.routers.map((r) => ({
    key: "router:" + r.id, name: titleOf(r), count: r.status === "ACTIVE" ? "" : r.status, swatch: { class: "router" },
  })).sort(byName);
  return rows.length ? [head("Routers"), ...rows] : [];
}

/** @returns {Row[]} */
function hostRows(cloud) {
  const rows = (cloud.now.hosts ?? []).filter((host) => host.host).map((host) => ({
    key: "host:" + host.host, name: host.host, count: host.networks.reduce((sum, c) => sum + c[1], 0).toLocaleString("en"),
    swatch: { class: health(host).kind || "wait" },
  })).sort(byName);
  return rows.length ? [head("Hosts"), ...rows] : [];
}

/** @returns {Row} */
const head = (name) => ({ key: null, name, count: "", swatch: {} });

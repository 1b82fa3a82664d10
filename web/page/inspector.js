// The panel about what is selected. Each kind of thing has a module of its own.

import { ApiError } from "./api.js";
import { byID, h } from "./dom.js";
import { aboutHost, aboutPhysical, aboutTunnel, aboutCell } from "./about-host.js";
import { aboutNetwork, aboutSubnet } from "./about-network.js";
import { aboutPort } from "./about-port.js";
import { aboutRouter } from "./about-router.js";
import { cellOf, parse } from "./state.js";

/**
 * What the modules about one kind of thing get.
 * @typedef {object} Context
 * @property {import("./api.js").Api} api
 * @property {import("./cloud.js").Cloud} cloud
 * @property {import("./state.js").State} state
 * @property {AbortSignal} signal           ends when something else is selected
 * @property {Map<string, any>} kept         what the panel about the same thing had before
 * @property {(key: string, text: string) => HTMLElement} link to something else
 *
 * A module fills the panel: it gives the elements that it has at once, and adds the
 * others when they come.
 * @typedef {{kind: string, title: string, parts: (Node|null|false)[]}} About
 */

const kinds = {
  network: (c, id) => aboutNetwork(c, id), subnet: (c, id) => aboutSubnet(c, id), router: (c, id) => aboutRouter(c, id),
  port: (c, id) => aboutPort(c, id), host: (c, id) => aboutHost(c, id), cell: (c, id) => aboutCell(c, cellOf(id)),
  tunnel: (c, id) => aboutTunnel(c, id), physical: (c, id) => aboutPhysical(c, id),
};

const renewal = { port: 12_000, router: 12_000, subnet: 60_000 }; // milliseconds

export class Inspector {
  /** @param {{api: any, cloud: any, state: import("./state.js").State}} parts */
  constructor(parts) {
    this.parts = parts;
    this.box = byID("inspector");
    /** @type {AbortController|null} */
    this.work = null;
    this.key = null;
    this.kept = new Map();
    this.shownAt = 0;
  }

  /** Renews the panel after the cloud was asked: what is asked for by itself from time to
   * time, the rest when the cloud has changed. Whoever types or marks text in it is left
   * alone. @param {boolean} changed */
  renew(changed) {
    if (!this.key) return;
    const rest = renewal[parse(this.key).kind];
    if (rest ? Date.now() - this.shownAt < rest : !changed) return;
    const active = document.activeElement;
    const marks = getSelection();
    const busy = (active?.matches("input, select") && this.box.contains(active)) || (marks && !marks.isCollapsed && this.box.contains(marks.anchorNode));
    if (!busy) this.show(this.key);
  }

  /** @param {string|null} key */
  async show(key) {
    this.work?.abort();
    this.work = new AbortController();
    const other = key !== this.key;
    this.key = key;
    this.shownAt = Date.now();
    if (other) this.kept = new Map();
    if (!key) {
      this.box.hidden = true;
      this.box.replaceChildren();
      return;
    }
    const { kind, id } = parse(key);
    const { signal } = this.work;
    const state = this.parts.state;
    const context = { ...this.parts, signal, kept: this.kept, link: (key, text) => h("button", { class: "link", text, title: text, on: { click: () => state.set({ selected: key }) } }) };
    try {
      const about = await kinds[kind](context, id);
      if (!signal.aborted) this.fill(about, other);
    } catch (e) {
      if (signal.aborted) return;
      if (!(e instanceof ApiError)) throw e;
      const text = e.status === 404 ? "It is not there, or not any more." : e.message;
      this.fill({ kind: "", title: id, parts: [h("p", { class: "note", text })] }, other);
    }
  }

  /** @param {About} about */
  fill({ kind, title, parts }, other) {
    const close = h("button", { class: "icon", "aria-label": "Close", title: "Close (Esc)", text: "×", on: { click: () => this.parts.state.set({ selected: null }) } });
    const top = other ? 0 : this.box.scrollTop;
    const stops = () => [...this.box.querySelectorAll("button, input, select")];
    const stop = other ? -1 : stops().indexOf(document.activeElement);
    this.box.replaceChildren(
      h("header", {}, h("div", {}, h("span", { class: "kind", text: kind }), h("h2", { text: title })), close), ...parts.filter(Boolean));
    this.box.hidden = false;
    this.box.scrollTop = top;
    stops()[stop]?.focus({ preventScroll: true });
  }
}

/** A headed part of the panel that is filled when the promise is kept.
 * @param {Context} context @param {string} title @param {() => Promise<(Node|string|null|false)[]>} work */
export function later(context, title, work) {
  const before = context.kept.get(title);
  const body = h("div", {}, ...(before ?? [h("p", { class: "note", text: "…" })]));
  const part = h("section", {}, h("h3", { text: title }), body);
  part.hidden = before?.length === 0;
  work().then(
    (parts) => {
      if (context.signal.aborted) return;
      context.kept.set(title, parts.filter(Boolean));
      body.replaceChildren(...parts.filter(Boolean));
      part.hidden = parts.length === 0;
    },
    (e) => {
      if (context.signal.aborted) return;
      if (e instanceof ApiError && e.status === 403) part.remove();
      else body.replaceChildren(h("p", { class: "error", text: e.message }));
    },
  );
  return part;
}

/** @param {string} title @param {...(Node|null|false)} parts */
export const section = (title, ...parts) => h("section", {}, h("h3", { text: title }), ...parts);

/** A bar of how many ports are in which state. */
export function shares(n) {
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  const down = n.ports - n.active - n.error;
  for (const [k, kind] of [[n.active, "active"], [down, "down"], [n.error, "error"]]) {
    if (!n.ports || k <= 0) continue;
    const i = h("i", { class: kind });
    i.style.width = `${(100 * k) / n.ports}%`;
    bar.append(i);
  }
  return h("div", {}, bar, h("span", { class: "note", text: `${n.active} active, ${down} down, ${n.error} in error, ${n.service} of the network service` }));
}

// The search for anything in the cloud: the controller finds, a list shows.

import { ApiError } from "./api.js";
import { byID, h, titleOf } from "./dom.js";

const patience = 180; // milliseconds between the last key and the question

export class Search {
  /**
   * @param {import("./api.js").Api} api
   * @param {{pick: (match: any) => void}} on
   */
  constructor(api, on) {
    this.api = api;
    this.on = on;
    this.input = byID("search");
    this.list = byID("matches");
    /** @type {any[]} */
    this.matches = [];
    this.at = -1;
    this.timer = 0;
    /** @type {AbortController|null} */
    this.asking = null;
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), patience);
    });
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.input.addEventListener("focus", () => this.matches.length && this.open(true));
    document.addEventListener("pointerdown", (e) => {
      if (!(e.target instanceof Element) || !e.target.closest(".search")) this.open(false);
    });
    document.addEventListener("keydown", (e) => {
      if (e.key !== "/" || e.ctrlKey || e.metaKey || e.target instanceof HTMLInputElement) return;
      e.preventDefault();
      this.input.focus();
      this.input.select();
    });
  }

  async ask() {
    this.asking?.abort();
    const q = this.input.value.trim();
    if (!q) {
      this.matches = [];
      this.open(false);
      return;
    }
    this.asking = new AbortController();
    try {
      const { body } = await this.api.get("lepton-topology/search", { q, limit: 30 }, { signal: this.asking.signal });
      this.show(body.lepton_matches, "Nothing has this id, name or address.");
    } catch (e) {
      if (e instanceof ApiError) this.show([], e.message);
    }
  }

  show(matches, otherwise) {
    this.matches = matches;
    this.at = matches.length ? 0 : -1;
    this.list.replaceChildren(...matches.map((m, i) => this.item(m, i)));
    if (!matches.length) this.list.append(h("li", { class: "none", text: otherwise }));
    this.open(true);
    this.mark();
  }

  item(m, i) {
    const more = [m.fixed_ips?.join(" "), m.mac_address, m.cidr, m.host].filter(Boolean).join("  ");
    return h("li", { role: "option", id: "match-" + i, on: { click: () => this.choose(i) } },
      h("span", { class: "kind", text: words[m.type] ?? m.type }), h("span", { class: "name", text: titleOf(m) }),
      h("span", { class: "more", text: more || m.id }));
  }

  open(yes) {
    this.list.hidden = !yes;
    this.input.setAttribute("aria-expanded", String(yes));
    if (!yes) this.input.removeAttribute("aria-activedescendant");
  }

  mark() {
    [...this.list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === this.at)));
    if (this.at >= 0) {
      this.input.setAttribute("aria-activedescendant", "match-" + this.at);
      this.list.children[this.at].scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.key === "Escape") {
      this.open(false);
      return;
    }
    if (e.key === "Enter" && this.at >= 0 && !this.list.hidden) {
      e.preventDefault();
      this.choose(this.at);
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step || !this.matches.length) return;
    e.preventDefault();
    this.at = (this.at + step + this.matches.length) % this.matches.length;
    this.open(true);
    this.mark();
  }

  choose(i) {
    this.open(false);
    this.input.blur();
    this.on.pick(this.matches[i]);
  }
}

const words = { port: "Port", network: "Network", router: "Router", subnet: "Subnet", host: "Host", floatingip: "Floating IP" };

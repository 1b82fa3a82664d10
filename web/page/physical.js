// The physical view: hosts as cards with what they carry of each network, and the
// tunnels between those that share networks.

import { networkColour } from "./colour.js";
import { count, titleOf } from "./dom.js";
import { cellOf, parse } from "./state.js";

const cardWidth = 232;
const headHeight = 44;
const chipHeight = 24;
const chipGap = 4;
const mostChips = 14;
const ringUpTo = 12; // hosts that stand in a ring
const meshUpTo = 40; // hosts whose tunnels are all drawn
const railHeight = 22;
const ink = "#10161f";

/** @typedef {import("./types.js").Host} Host */
/** @typedef {{host: Host, x: number, y: number, w: number, h: number, chips: {at: number, ports: number, error: number, service: number}[], more: number}} Card */

export class Physical {
  /** @param {import("./cloud.js").Cloud} cloud */
  constructor(cloud) {
    this.cloud = cloud;
    /** @type {Card[]} */
    this.cards = (cloud.now.hosts ?? []).filter((host) => host.host).map(card);
    this.byName = new Map(this.cards.map((c) => [c.host.host, c]));
    this.ring = this.cards.length > 2 && this.cards.length <= ringUpTo;
    if (this.ring) placeRing(this.cards);
    else placeGrid(this.cards);
    this.bounds = boundsOf(this.cards);
    this.rails = this.physicalNetworks();
    this.tunnels = this.cards.length <= meshUpTo ? tunnelsAmong(cloud, this.cards) : [];
  }

  physicalNetworks() {
    const names = [...new Set(this.cards.flatMap((c) => c.host.physical_networks ?? []))].sort();
    const { x, w } = this.bounds;
    const rails = names.map((name, i) => ({ name, x, w, h: railHeight, y: this.bounds.y + this.bounds.h + 50 + i * (railHeight + 10) }));
    if (rails.length) this.bounds.h += 60 + rails.length * (railHeight + 10);
    return rails;
  }

  find(key) {
    const { kind, id } = parse(key);
    switch (kind) {
      case "host":
        return this.byName.get(id) ?? null;
      case "cell":
        return this.byName.get(cellOf(id).host) ?? null;
      case "tunnel": {
        const [a, b] = id.split("|").map((name) => this.byName.get(name));
        return a && b ? boundsOf([a, b]) : null;
      }
      case "network": {
        const cards = this.cloud.hostsOf(id).map((host) => this.byName.get(host.host)).filter(Boolean);
        return cards.length ? boundsOf(cards) : null;
      }
      case "physical":
        return this.rails.find((r) => r.name === id) ?? null;
    }
    return null;
  }

  at(x, y, zoom) {
    for (const c of this.cards) {
      if (x < c.x || x > c.x + c.w || y < c.y || y > c.y + c.h) continue;
      const i = Math.floor((y - c.y - headHeight) / (chipHeight + chipGap));
      const n = i >= 0 && zoom > 0.3 && c.chips[i] && this.cloud.now.networks[c.chips[i].at];
      if (n) return { key: `cell:${n.id}@${c.host.host}`, tip: `${titleOf(n)} on ${c.host.host}\n${count(c.chips[i].ports, "port")}` };
      return { key: "host:" + c.host.host, tip: tipOf(c.host) };
    }
    for (const r of this.rails) {
      if (x >= r.x && x <= r.x + r.w && y >= r.y && y <= r.y + r.h) return { key: "physical:" + r.name, tip: `Physical network ${r.name}` };
    }
    const reach = 6 / zoom;
    for (const t of this.tunnels) {
      if (distance(x, y, t) < reach) return { key: `tunnel:${t.a.host.host}|${t.b.host.host}`, tip: `Tunnel ${t.a.host.host} – ${t.b.host.host}\n${count(t.networks.length, "network")} in common` };
    }
    return null;
  }

  /** @param {import("./brush.js").Brush} b */
  draw(b) {
    const { kind, id } = parse(b.selected);
    const network = kind === "network" ? id : kind === "cell" ? cellOf(id).network : null;
    const host = kind === "host" ? id : kind === "cell" ? cellOf(id).host : null;
    this.drawPhysical(b, host, kind === "physical" ? id : null);
    this.drawTunnels(b, network, host);
    for (const c of this.cards) if (b.sees(c)) this.card(b, c, network);
  }

  drawPhysical(b, host, chosen) {
    for (const r of this.rails) {
      const strong = chosen === r.name;
      for (const c of this.cards) {
        if (!c.host.physical_networks?.includes(r.name)) continue;
        const lit = strong || host === c.host.host;
        if (!lit && this.cards.length > meshUpTo) continue;
        const x = c.x + c.w / 2;
        b.curve(x, c.y + c.h, x, r.y, networkColour(r.name, b.c, lit ? 0.9 : 0.28), lit ? 4 : 2.5);
      }
      b.box(r.x, r.y, r.w, r.h, 6, networkColour(r.name, b.c));
      b.text(r.name, Math.max(r.x, b.view.x) + 10, r.y + r.h / 2, { size: Math.min(Math.max(12, 9 / b.zoom), 19), colour: ink, bold: true });
      if (b.selected === "physical:" + r.name) b.frame(r.x - 3, r.y - 3, r.w + 6, r.h + 6, 8, b.c.accent, 3);
    }
  }

  drawTunnels(b, network, host) {
    const tunnels = this.tunnels.length || (!host && !network) ? this.tunnels : this.some(network, host);
    for (const t of tunnels) {
      const mine = (network && t.networks.includes(network)) || (!network && host && (t.a.host.host === host || t.b.host.host === host));
      const chosen = b.selected === `tunnel:${t.a.host.host}|${t.b.host.host}` || b.hovered === `tunnel:${t.a.host.host}|${t.b.host.host}`;
      const colour = mine && network ? networkColour(network, b.c) : mine || chosen ? b.c.accent : b.c.edge;
      b.g.globalAlpha = mine || chosen ? 0.95 : network || host ? 0.16 : 0.55;
      b.line([t.x1, t.y1, t.x2, t.y2], colour, Math.max((mine || chosen ? 1.4 : 0.9) + Math.log2(1 + t.networks.length) * 0.9, 1 / b.zoom));
    }
    b.g.globalAlpha = 1;
  }

  /** Among many hosts only the tunnels of the selection are drawn: those of a host, or
   * of a network as lines to the middle of its hosts. */
  some(network, host) {
    if (host && !network) {
      const c = this.byName.get(host);
      return c ? tunnelsAmong(this.cloud, [c, ...this.cards.filter((o) => o !== c)], true) : [];
    }
    const cards = this.cloud.hostsOf(network).map((h) => this.byName.get(h.host)).filter(Boolean);
    const x2 = cards.reduce((sum, c) => sum + c.x + c.w / 2, 0) / cards.length;
    const y2 = cards.reduce((sum, c) => sum + c.y + c.h / 2, 0) / cards.length;
    return cards.map((c) => ({ a: c, b: c, networks: [network], x1: c.x + c.w / 2, y1: c.y + c.h / 2, x2, y2 }));
  }

  card(b, c, network) {
    const host = c.host;
    const key = "host:" + host.host;
    b.box(c.x, c.y, c.w, c.h, 10, b.c.surface);
    const edge = key === b.selected ? b.c.accent : key === b.hovered ? b.c.text : b.c.line;
    b.frame(c.x, c.y, c.w, c.h, 10, edge, key === b.selected ? 3 : 1.2);
    const size = Math.min(Math.max(13, 10 / b.zoom), 34);
    b.disc(c.x + 17, c.y + headHeight / 2, Math.max(5.5, Math.min(3 / b.zoom, 11)), healthColour(host, b.c));
    b.text(host.host, c.x + 32, c.y + (size > 14 ? headHeight / 2 : 16), { size, width: c.w - 44, bold: true });
    if (size <= 14) b.text([host.tunneling_ip, host.roles?.join(" ")].filter(Boolean).join(" · "), c.x + 32, c.y + 31, { size: 10.5, width: c.w - 44, colour: b.c.soft });
    c.chips.forEach((chip, i) => this.chip(b, c, chip, c.y + headHeight + i * (chipHeight + chipGap), network));
    if (c.more) b.text(`and ${c.more} more`, c.x + 12, c.y + c.h - 14, { size: 11, colour: b.c.soft });
    if (!c.chips.length) b.text("no ports", c.x + 32, c.y + headHeight + 6, { size: 11, colour: b.c.faint });
  }

  chip(b, c, chip, y, network) {
    const n = this.cloud.now.networks[chip.at];
    if (!n) return;
    const key = `cell:${n.id}@${c.host.host}`;
    b.g.globalAlpha = network && network !== n.id ? 0.3 : 1;
    b.box(c.x + 8, y, c.w - 16, chipHeight, 6, networkColour(n.id, b.c));
    const size = Math.min(Math.max(12, 9 / b.zoom), 19);
    b.text(titleOf(n), c.x + 17, y + chipHeight / 2, { size, width: c.w - 52 - 2.2 * size, colour: ink });
    if (chip.error) b.disc(c.x + c.w - 30 - 1.6 * size, y + chipHeight / 2, 5, b.c.bad, ink, 1);
    b.text(String(chip.ports || "–"), c.x + c.w - 17, y + chipHeight / 2, { size, colour: ink, bold: true, align: "right" });
    b.g.globalAlpha = 1;
    if (key === b.selected || key === b.hovered) b.frame(c.x + 6, y - 2, c.w - 12, chipHeight + 4, 8, key === b.selected ? b.c.accent : b.c.text, 2);
  }
}

/** @param {Host} host @returns {Card} */
function card(host) {
  const rows = [...host.networks].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const chips = rows.slice(0, mostChips).map(([at, ports, , error, service]) => ({ at, ports, error, service }));
  const more = rows.length - chips.length;
  return { host, chips, more, x: 0, y: 0, w: cardWidth, h: headHeight + Math.max(chips.length, 1) * (chipHeight + chipGap) + (more ? 26 : 6) };
}

function placeRing(cards) {
  const tall = Math.max(...cards.map((c) => c.h));
  const radius = Math.max(tall, cardWidth) * Math.max(0.9, cards.length * 0.18);
  cards.forEach((c, i) => {
    const angle = (2 * Math.PI * i) / cards.length - Math.PI / 2 - (cards.length % 2 ? 0 : Math.PI / cards.length);
    c.x = Math.cos(angle) * radius * 1.45 - c.w / 2;
    c.y = Math.sin(angle) * radius - c.h / 2;
  });
}

function placeGrid(cards) {
  const columns = Math.max(1, Math.ceil(Math.sqrt(cards.length * 2.2)));
  let y = 0;
  for (let i = 0; i < cards.length; i += columns) {
    const row = cards.slice(i, i + columns);
    row.forEach((c, k) => {
      c.x = k * (cardWidth + 90);
      c.y = y;
    });
    y += Math.max(...row.map((c) => c.h)) + 80;
  }
}

function boundsOf(cards) {
  if (!cards.length) return { x: 0, y: 0, w: 1, h: 1 };
  const x = Math.min(...cards.map((c) => c.x));
  const y = Math.min(...cards.map((c) => c.y));
  return { x, y, w: Math.max(...cards.map((c) => c.x + c.w)) - x, h: Math.max(...cards.map((c) => c.y + c.h)) - y };
}

/** The tunnels between hosts that share tunnelled networks; only those of the first
 * one when asked so. */
function tunnelsAmong(cloud, cards, first = false) {
  const tunnelled = new Set();
  cloud.now.networks.forEach((n, at) => ["vxlan", "gre", "geneve"].includes(n["provider:network_type"]) && tunnelled.add(at));
  const sets = cards.map((c) => new Set(c.host.networks.map((row) => row[0]).filter((at) => tunnelled.has(at))));
  const out = [];
  for (let i = 0; i < (first ? 1 : cards.length); i++) {
    if (!cards[i].host.tunneling_ip) continue;
    for (let k = i + 1; k < cards.length; k++) {
      if (!cards[k].host.tunneling_ip) continue;
      const common = [...sets[i]].filter((at) => sets[k].has(at)).map((at) => cloud.now.networks[at].id);
      if (!common.length) continue;
      const [a, b] = [cards[i], cards[k]];
      out.push({ a, b, networks: common, x1: a.x + a.w / 2, y1: a.y + a.h / 2, x2: b.x + b.w / 2, y2: b.y + b.h / 2 });
    }
  }
  return out;
}

/** How far a point is from a tunnel's line. */
function distance(x, y, t) {
  const dx = t.x2 - t.x1;
  const dy = t.y2 - t.y1;
  const k = Math.max(0, Math.min(1, ((x - t.x1) * dx + (y - t.y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - t.x1 - k * dx, y - t.y1 - k * dy);
}

/** @param {Host} host */
export function health(host) {
  if (!host.agent) return { word: "no agent", kind: "" };
  if (!host.alive) return { word: "silent", kind: "bad" };
  if (host.problems) return { word: count(host.problems, "problem"), kind: "warn" };
  return host.in_sync ? { word: "in sync", kind: "good" } : { word: "not in sync", kind: "warn" };
}

function healthColour(host, c) {
  return { good: c.good, warn: c.warn, bad: c.bad, "": c.wait }[health(host).kind];
}

function tipOf(host) {
  const ports = host.networks.reduce((sum, row) => sum + row[1], 0);
  return `${host.host}\n${health(host).word}\n${count(ports, "port")} of ${count(host.networks.length, "network")}`;
}

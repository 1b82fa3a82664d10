// The logical view: networks as bars with their ports below, routers between them.

import { arrange, barHeight } from "./arrange.js";
import { networkColour } from "./colour.js";
import { count, titleOf } from "./dom.js";
import { isService } from "./ports.js";
import { apart, drawTiles, tileAt, tileRect, tilesOf } from "./tiles.js";

const hubRadius = 17;
const ink = "#10161f"; // on a network's colour, in both themes

export class Logical {
  /** @param {import("./cloud.js").Cloud} cloud @param {import("./ports.js").Ports} ports */
  constructor(cloud, ports) {
    this.ports = ports;
    this.layout = arrange(cloud);
    this.bounds = this.layout.bounds;
    this.blocks = new Map(this.layout.blocks.map((b) => [b.network.id, b]));
    /** Where a port was seen last, by its id. @type {Map<string, import("./types.js").Rect>} */
    this.places = new Map();
    this.cloud = cloud;
  }

  /** @param {string} key */
  find(key) {
    const id = key.slice(key.indexOf(":") + 1);
    switch (key.split(":", 1)[0]) {
      case "network": {
        const b = this.blocks.get(id);
        if (b) return { x: b.x, y: b.y, w: b.w, h: Math.min(b.h, 620) };
        const rail = this.layout.rails.find((r) => r.network.id === id);
        return rail ? { ...rail, w: Math.min(rail.w, 900), h: 200 } : null;
      }
      case "router": {
        const hub = this.layout.hubs.find((hub) => hub.router.id === id);
        return hub ? { x: hub.x - 160, y: hub.y - 90, w: 320, h: 240 } : null;
      }
      case "subnet": {
        const n = this.cloud.now.networks.find((n) => n.subnets.some((s) => s.id === id));
        return n ? this.find("network:" + n.id) : null;
      }
      case "port": {
        const p = this.ports.known(id);
        const b = p && this.blocks.get(p.network_id);
        const i = b ? (this.ports.of(b.network)?.findIndex((q) => q.id === id) ?? -1) : -1;
        return i < 0 ? null : tileRect(b.grid, i);
      }
    }
    return null;
  }

  at(x, y, zoom) {
    const reach = Math.max(hubRadius, 7 / zoom);
    for (const hub of this.layout.hubs) {
      if (Math.hypot(x - hub.x, y - hub.y) <= reach) return { key: "router:" + hub.router.id, tip: `Router ${titleOf(hub.router)}` };
    }
    for (const r of this.layout.rails) {
      if (x >= r.x && x <= r.x + r.w && y >= r.y && y <= r.y + r.h) return { key: "network:" + r.network.id, tip: `External network ${titleOf(r.network)}` };
    }
    for (const b of this.layout.blocks) {
      if (x < b.x || x > b.x + b.w || y < b.y || y > b.y + b.h) continue;
      const i = apart(zoom) ? tileAt(b.grid, tilesOf(b.network), x, y) : -1;
      const p = i < 0 ? null : this.ports.of(b.network)?.[i];
      if (p) return { key: "port:" + p.id, tip: tipOf(p) };
      return { key: "network:" + b.network.id, tip: `${titleOf(b.network)}\n${count(b.network.ports, "port")}, ${b.network.active} active` };
    }
    return null;
  }

  /** @param {import("./brush.js").Brush} b */
  draw(b) {
    const lit = this.lit(b.selected);
    for (const l of this.layout.links) this.link(b, l, lit);
    for (const r of this.layout.rails) if (b.sees(r)) this.rail(b, r);
    for (const block of this.layout.blocks) if (b.sees(block)) this.block(b, block);
    for (const hub of this.layout.hubs) this.hub(b, hub);
  }

  /** What is drawn strongly because of the selection. */
  lit(selected) {
    if (!selected) return null;
    const [kind, id] = [selected.slice(0, selected.indexOf(":")), selected.slice(selected.indexOf(":") + 1)];
    return { network: kind === "network" ? id : null, router: kind === "router" ? id : null };
  }

  link(b, l, lit) {
    const [x1, y1] = l.from;
    const [x2, y2] = l.to;
    const strong = lit && (lit.network === l.network || lit.router === l.router);
    if (!b.sees({ x: Math.min(x1, x2) - 5, y: Math.min(y1, y2) - 5, w: Math.abs(x2 - x1) + 10, h: Math.abs(y2 - y1) + 10 })) return;
    const width = Math.max(Math.min(strong ? 5 : 3, 7 / b.zoom), 1 / b.zoom);
    b.curve(x1, y1, x2, y2, networkColour(l.network, b.c, strong ? 1 : 0.65), width);
  }

  rail(b, r) {
    const colour = networkColour(r.network.id, b.c);
    b.box(r.x, r.y, r.w, r.h, 6, colour);
    const x = Math.max(r.x, b.view.x) + 10;
    b.text(`${titleOf(r.network)}  ${r.network.subnets.map((s) => s.cidr).join("  ")}`, x, r.y + r.h / 2, { colour: ink, width: r.w - 20, bold: true });
    this.mark(b, "network:" + r.network.id, r, 7);
  }

  block(b, block) {
    const n = block.network;
    b.box(block.x, block.y, block.w, barHeight, 7, networkColour(n.id, b.c, n.admin_state_up ? 1 : 0.45));
    // From afar the name is as large as the block allows.
    const size = b.zoom > 1.7 ? 22 / b.zoom : Math.min(Math.max(13, 11 / b.zoom), barHeight * 0.8);
    const number = n.ports.toLocaleString("en");
    const room = size > 18 ? 0 : number.length * 9 + 8;
    // The name stays in view while the block is.
    const left = Math.min(Math.max(block.x, b.view.x), block.x + block.w * 0.6);
    b.text(titleOf(n), left + 11, block.y + barHeight / 2, { size, width: block.x + block.w - left - 22 - room, colour: ink, bold: true });
    if (room) b.text(number, block.x + block.w - 10, block.y + barHeight / 2, { size: Math.min(12, 20 / b.zoom), colour: ink, align: "right" });
    b.text(n.subnets.map((s) => s.cidr).join("   ") || "no subnet", block.x + 2, block.y + barHeight + 10, { size: Math.min(11, 18 / b.zoom), width: block.w - 4, colour: b.c.soft });
    drawTiles(b, n, apart(b.zoom) ? this.ports.of(n) : null, block.grid);
    if (size * b.zoom < 8) this.farName(b, block);
    this.mark(b, "network:" + n.id, { x: block.x, y: block.y, w: block.w, h: barHeight }, 8);
  }

  /** From so far that the bar has no room for the name, it stands across the block. */
  farName(b, block) {
    if (block.w * b.zoom < 44) return;
    const size = Math.min(11 / b.zoom, block.w / 4);
    b.text(titleOf(block.network), block.x + block.w / 2, block.y + Math.max(block.h / 2, barHeight + size * 0.7), { size, width: block.w * 0.94, bold: true, align: "center" });
  }

  hub(b, hub) {
    if (!b.sees({ x: hub.x - 60, y: hub.y - 30, w: 220, h: 60 })) return;
    const bad = hub.router.status !== "ACTIVE";
    const key = "router:" + hub.router.id;
    const radius = Math.max(hubRadius, Math.min(4 / b.zoom, 40));
    const edge = key === b.selected ? b.c.accent : bad ? b.c.bad : key === b.hovered ? b.c.text : b.c.soft;
    b.disc(hub.x, hub.y, radius, b.c.surface, edge, key === b.selected ? 4 : 2.5);
    for (const turn of [0, 1, 2, 3]) arrow(b, hub, turn, edge);
    b.text(titleOf(hub.router), hub.x + radius + 6, hub.y - 1, { size: 12, width: 140, bold: true });
  }

  mark(b, key, r, radius) {
    if (key === b.selected) b.frame(r.x - 3, r.y - 3, r.w + 6, r.h + 6, radius + 2, b.c.accent, 3);
    else if (key === b.hovered) b.frame(r.x - 1, r.y - 1, r.w + 2, r.h + 2, radius, b.c.text, 1.5);
  }
}

/** One of the four arrows of a router's sign: two in, two out. */
function arrow(b, hub, turn, colour) {
  if (b.zoom < 0.4) return;
  const [dx, dy] = [[1, 0], [0, 1], [-1, 0], [0, -1]][turn];
  const out = turn % 2 === 0;
  const at = (d, side = 0) => [hub.x + dx * d - dy * side, hub.y + dy * d + dx * side];
  const [tip, base] = out ? [12, 8] : [5, 9];
  b.line([...at(4), ...at(12)], colour, 1.6);
  b.line([...at(base, 3), ...at(tip), ...at(base, -3)], colour, 1.6);
}

/** @param {import("./types.js").Port} p */
function tipOf(p) {
  const what = isService(p) ? p.device_owner : p.status;
  return [p.name || p.id, p.fixed_ips.map((f) => f.ip_address).join(", "), p.mac_address, what].filter(Boolean).join("\n");
}

// Where networks and routers are in the logical view. What routers connect is a
// cluster; clusters stand in rows, and above each row run the external networks
// that its routers lead to, as rails.

import { gridFor, tilesOf } from "./tiles.js";

export const barHeight = 34;
const captionHeight = 20;
const narrowest = 216;
const gap = 28; // between blocks
const clusterGap = 64;
const routerHeight = 92; // of a cluster's routers with their lines
const sideBySide = 1500; // how wide a cluster may be whose networks stand in one row
const routerWidth = 128;
const railHeight = 20;
const railGap = 10;

/**
 * @typedef {{network: import("./types.js").Network, x: number, y: number, w: number, h: number,
 *   grid: {x: number, y: number, w: number, h: number, columns: number}}} Block
 * @typedef {{router: import("./types.js").Router, x: number, y: number}} Hub
 * @typedef {{network: import("./types.js").Network, x: number, y: number, w: number, h: number}} Rail
 * @typedef {{from: [number, number], to: [number, number], network: string, router: string}} Link
 */

/** @param {import("./cloud.js").Cloud} cloud */
export function arrange(cloud) {
  const clusters = clustersOf(cloud).map(build);
  const area = clusters.reduce((sum, c) => sum + (c.w + clusterGap) * (c.h + clusterGap), 0);
  const width = Math.max(Math.sqrt(area * 1.7), ...clusters.map((c) => c.w), 1);
  const out = { blocks: [], hubs: [], rails: [], links: [], bounds: { x: 0, y: 0, w: 1, h: 1 } };
  let y = 0;
  for (let i = 0; i < clusters.length; ) {
    const row = [];
    for (let w = 0; i < clusters.length && (row.length === 0 || w + clusters[i].w <= width); i++) {
      w += clusters[i].w + clusterGap;
      row.push(clusters[i]);
    }
    y = placeRow(cloud, out, row, y) + clusterGap;
  }
  out.bounds = { x: 0, y: 0, w: Math.max(1, ...out.blocks.map((b) => b.x + b.w), ...out.rails.map((r) => r.w)), h: Math.max(1, y - clusterGap) };
  return out;
}

/** Networks and routers that belong together, in an order that changes little. */
function clustersOf(cloud) {
  const { networks, routers } = cloud.now;
  const outside = new Set(routers.map((r) => r.gateway));
  for (const n of networks) if (n["router:external"]) outside.add(n.id);
  /** @type {Map<string, string>} */
  const parent = new Map();
  const root = (id) => {
    while (parent.has(id)) id = parent.get(id);
    return id;
  };
  for (const r of routers) {
    for (const n of r.networks) {
      if (outside.has(n) || !cloud.networks.has(n)) continue;
      const [a, b] = [root(n), root(r.id)];
      if (a !== b) parent.set(a, b);
    }
  }
  const groups = new Map();
  const groupOf = (id) => {
    const key = root(id);
    if (!groups.has(key)) groups.set(key, { networks: [], routers: [] });
    return groups.get(key);
  };
  for (const r of routers) groupOf(r.id).routers.push(r);
  const alone = [];
  for (const n of networks) {
    if (outside.has(n.id)) alone.push({ networks: [n], routers: [] });
    else groupOf(n.id).networks.push(n);
  }
  const rank = (g) => (g.routers.length ? "0" + (g.routers[0].gateway ?? "~") : "1") + nameOf(g);
  const sorted = [...groups.values()].map((g) => [rank(g), g]).sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, g]) => g);
  // External networks with guests of their own stand first; without, the rails are enough.
  return [...alone.filter((g) => g.networks[0].ports > 0 || !routers.some((r) => r.gateway === g.networks[0].id)), ...sorted];
}

const nameOf = (g) => (g.networks[0] ?? g.routers[0]).project_id + (g.networks[0] ?? g.routers[0]).name + (g.networks[0] ?? g.routers[0]).id;

/** Lays out one cluster around its own origin. */
function build({ networks, routers }) {
  const top = routers.length ? routerHeight : 0;
  const blocks = networks.map((n) => {
    const grid = gridFor(tilesOf(n));
    const w = Math.max(narrowest, grid.w);
    return { network: n, x: 0, y: 0, w, h: barHeight + captionHeight + grid.h, grid: { ...grid, x: 0, y: 0 } };
  });
  const area = blocks.reduce((sum, b) => sum + (b.w + gap) * (b.h + gap), 0);
  const inOneRow = blocks.reduce((sum, b) => sum + b.w + gap, -gap);
  const widest = inOneRow <= sideBySide ? inOneRow : Math.max(Math.sqrt(area * 2), sideBySide, routers.length * routerWidth, ...blocks.map((b) => b.w), narrowest);
  let x = 0;
  let y = top;
  let tall = 0;
  let w = routers.length * routerWidth;
  for (const b of blocks) {
    if (x > 0 && x + b.w > widest) {
      x = 0;
      y += tall + gap;
      tall = 0;
    }
    b.x = x;
    b.y = y;
    x += b.w + gap;
    tall = Math.max(tall, b.h);
    w = Math.max(w, b.x + b.w);
  }
  return { blocks, routers, w, h: y + tall };
}

/** Places a row of clusters below y and gives the row's lower end. */
function placeRow(cloud, out, row, y) {
  const gateways = [...new Set(row.flatMap((c) => c.routers.map((r) => r.gateway)))].filter((id) => id && cloud.networks.has(id));
  const width = row.reduce((sum, c) => sum + c.w + clusterGap, -clusterGap);
  const rails = new Map();
  for (const id of gateways) {
    const rail = { network: cloud.networks.get(id), x: 0, y, w: Math.max(width, narrowest), h: railHeight };
    rails.set(id, rail);
    out.rails.push(rail);
    y += railHeight + railGap;
  }
  if (gateways.length) y += 14;
  let x = 0;
  let low = y;
  for (const c of row) {
    placeCluster(out, c, x, y, rails);
    x += c.w + clusterGap;
    low = Math.max(low, y + c.h);
  }
  return low;
}

function placeCluster(out, c, x, y, rails) {
  const placed = new Map();
  for (const b of c.blocks) {
    b.x += x;
    b.y += y;
    b.grid.x = b.x;
    b.grid.y = b.y + barHeight + captionHeight;
    out.blocks.push(b);
    placed.set(b.network.id, b);
  }
  c.routers.forEach((router, i) => {
    const step = c.w / c.routers.length;
    const hub = { router, x: x + step * (i + 0.5) - (step > routerWidth ? 0 : 30), y: y + 24 };
    out.hubs.push(hub);
    const rail = rails.get(router.gateway);
    if (rail) out.links.push({ from: [hub.x, hub.y], to: [hub.x, rail.y + rail.h / 2], network: router.gateway, router: router.id });
    for (const id of router.networks) {
      const b = placed.get(id);
      const to = b && [Math.min(Math.max(hub.x, b.x + 20), b.x + b.w - 20), b.y];
      if (b) out.links.push({ from: [hub.x, hub.y], to, network: id, router: router.id });
    }
  });
}

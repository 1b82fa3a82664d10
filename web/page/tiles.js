// A network's ports as tiles in a grid: one by one from near, as a block with the
// shares of their states from afar.

import { isService, stateOf } from "./ports.js";

export const pitch = 22;
const tile = 18;
const readable = 0.42; // zoom from which tiles are told apart
const named = 2.7; // zoom from which they are labelled
const addressed = 3.5; // zoom from which the label has the address too

/** @param {number} n ports @returns {{columns: number, w: number, h: number}} */
export function gridFor(n) {
  const columns = Math.min(Math.max(Math.ceil(Math.sqrt(n * 1.7)), 10), 90);
  return { columns, w: columns * pitch - (pitch - tile), h: Math.ceil(n / columns) * pitch };
}

/** Whether ports of a grid are told apart. @param {number} zoom */
export const apart = (zoom) => zoom >= readable;

/** The state of the tile at a place, known from counts before ports are there.
 * @param {{ports: number, active: number, error: number}} n */
function counted(n, i) {
  if (i >= n.ports) return "service";
  if (i < n.active) return "active";
  return i < n.ports - n.error ? "down" : "error";
}

/** How many tiles a network has. @param {{ports: number, service: number}} n */
export const tilesOf = (n) => n.ports + n.service;

/**
 * Draws the tiles of a network.
 * @param {import("./brush.js").Brush} b
 * @param {import("./types.js").Network} n
 * @param {import("./types.js").Port[]|null} ports
 * @param {import("./types.js").Rect & {columns: number}} grid
 */
export function drawTiles(b, n, ports, grid) {
  const all = tilesOf(n);
  if (!all) return;
  if (!apart(b.zoom)) return drawShares(b, n, grid);
  const v = b.view;
  const first = Math.max(0, Math.floor((v.y - grid.y) / pitch));
  const last = Math.min(Math.ceil(all / grid.columns), Math.ceil((v.y + v.h - grid.y) / pitch));
  const left = Math.max(0, Math.floor((v.x - grid.x) / pitch));
  const right = Math.min(grid.columns, Math.ceil((v.x + v.w - grid.x) / pitch));
  for (let row = first; row < last; row++) {
    for (let column = left; column < right; column++) {
      const i = row * grid.columns + column;
      if (i >= all) break;
      const p = ports?.[i];
      drawTile(b, p ? stateOf(p) : counted(n, i), grid.x + column * pitch, grid.y + row * pitch, p);
    }
  }
}

function drawTile(b, state, x, y, p) {
  const { g, c } = b;
  const radius = b.zoom > 0.9 ? 4 : 0;
  switch (state) {
    case "active":
      b.box(x, y, tile, tile, radius, c.active);
      break;
    case "error":
      b.box(x, y, tile, tile, radius, c.bad);
      // A stroke, so that it is not the colour alone that tells; small beside a label.
      if (p && b.zoom >= named) b.line([x + tile - 4.5, y + 4, x + tile - 1.5, y + 1], c.surface, 0.8);
      else b.line([x + 4, y + tile - 4, x + tile - 4, y + 4], c.surface, 2);
      break;
    case "service":
      // Where the tile has a label it is a ring around that.
      if (p && b.zoom >= named) b.disc(x + tile / 2, y + tile / 2, tile / 2, "", c.wait, 0.8);
      else b.disc(x + tile / 2, y + tile / 2, tile * 0.36, c.wait);
      break;
    default:
      g.strokeStyle = c.wait;
      g.lineWidth = Math.min(1.6, 2.5 / b.zoom);
      g.strokeRect(x + 1, y + 1, tile - 2, tile - 2);
  }
  if (!p) return;
  if (b.zoom >= named) label(b, state, x, y, p);
  const key = "port:" + p.id;
  if (key === b.selected) b.frame(x - 2.5, y - 2.5, tile + 5, tile + 5, 5, c.accent, 3);
  else if (key === b.hovered) b.frame(x - 1.5, y - 1.5, tile + 3, tile + 3, 4, c.text, 1.5);
}

function label(b, state, x, y, p) {
  const colour = state === "error" ? b.c.surface : b.c.text;
  const size = 2.6; // names often differ in their ends only
  const ip = p.fixed_ips[0]?.ip_address ?? "";
  const name = p.name || (isService(p) ? p.device_owner.slice(8) : p.id.slice(0, 8));
  b.text(name, x + 1.4, y + 6.4, { size, width: tile - 2.6, colour, bold: true, end: p.name ? 3 : 0 });
  if (b.zoom >= addressed) b.text(ip, x + 1.4, y + 11.6, { size: 2.5, width: tile - 2.6, colour, end: 6 });
}

/** From afar: what share of the ports is in which state. */
function drawShares(b, n, grid) {
  const all = tilesOf(n);
  const { c } = b;
  let x = grid.x;
  for (const [k, colour] of [[n.active, c.active], [n.ports - n.active - n.error, c.wait], [n.error, c.bad], [n.service, c.tile]]) {
    if (k <= 0) continue;
    const w = (grid.w * k) / all;
    b.g.globalAlpha = 0.75;
    b.box(x, grid.y, w, grid.h, 0, colour);
    b.g.globalAlpha = 1;
    x += w;
  }
}

/** The place of a tile in the grid at a point, or -1. */
export function tileAt(grid, all, x, y) {
  const column = Math.floor((x - grid.x) / pitch);
  const row = Math.floor((y - grid.y) / pitch);
  const i = row * grid.columns + column;
  const inside = column >= 0 && column < grid.columns && row >= 0 && i < all;
  return inside && (x - grid.x) % pitch <= tile && (y - grid.y) % pitch <= tile ? i : -1;
}

/** Where a tile of the grid is. */
export function tileRect(grid, i) {
  return { x: grid.x + (i % grid.columns) * pitch, y: grid.y + Math.floor(i / grid.columns) * pitch, w: tile, h: tile };
}

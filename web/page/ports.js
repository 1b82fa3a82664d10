// Ports, fetched when somebody comes near enough to see them one by one: a network
// at a time, some of its attributes, and no more than fit in memory.

const fields = ["id", "name", "network_id", "status", "admin_state_up", "mac_address", "device_id", "device_owner", "fixed_ips"];
const mostOfNetwork = 4000;
const mostAltogether = 40_000;
const fresh = 30_000; // milliseconds

/** @typedef {import("./types.js").Port} Port */

/** @param {{device_owner: string}} p */
export const isService = (p) => p.device_owner.startsWith("network:");

/** The state of a port as its tile shows it. @param {Port} p */
export function stateOf(p) {
  if (isService(p)) return "service";
  return p.status === "ACTIVE" ? "active" : p.status === "ERROR" ? "error" : "down";
}

export class Ports {
  /** @param {import("./api.js").Api} api @param {() => void} arrived */
  constructor(api, arrived) {
    this.api = api;
    this.arrived = arrived;
    /** In the order of use. @type {Map<string, {ports: Port[], at: number, tag: string, busy: boolean}>} */
    this.byNetwork = new Map();
  }

  /**
   * The ports of a network if they are there; they are asked for if not, and again
   * when their number says that they have changed.
   * @param {import("./types.js").Network} n
   * @returns {Port[]|null}
   */
  of(n) {
    const tag = [n.ports, n.active, n.error, n.service].join();
    let entry = this.byNetwork.get(n.id);
    if (!entry) entry = { ports: null, at: 0, tag, busy: false };
    // Many ports are not fetched again for each one that changes.
    const rest = entry.tag !== tag ? Math.min(1000 + 5 * (entry.ports?.length ?? 0), fresh) : fresh;
    const stale = !entry.busy && Date.now() - entry.at > rest;
    this.byNetwork.delete(n.id);
    this.byNetwork.set(n.id, entry);
    if (stale) this.fetch(n.id, entry, tag);
    return entry.ports;
  }

  async fetch(network, entry, tag) {
    entry.busy = true;
    try {
      const { items } = await this.api.list("ports", "ports", { network_id: network, fields }, { most: mostOfNetwork, page: 1000 });
      const order = (p) => (isService(p) ? "1" : "0") + (p.name || "~") + p.id;
      entry.ports = items.map((p) => [order(p), p]).sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, p]) => p);
      entry.tag = tag;
    } catch {
      // The picture stays as it is; the next look asks again.
    }
    entry.at = Date.now();
    entry.busy = false;
    this.evict();
    this.arrived();
  }

  evict() {
    let sum = 0;
    for (const e of this.byNetwork.values()) sum += e.ports?.length ?? 0;
    for (const [id, e] of this.byNetwork) {
      if (sum <= mostAltogether) return;
      sum -= e.ports?.length ?? 0;
      this.byNetwork.delete(id);
    }
  }

  /** A port that was fetched. @param {string} id @returns {Port|null} */
  known(id) {
    for (const e of this.byNetwork.values()) {
      const p = e.ports?.find((p) => p.id === id);
      if (p) return p;
    }
    return null;
  }
}

// The cloud as the controller counts it (extension lepton-topology), asked for again
// every few seconds. An answer that is known costs nothing; a controller that does
// not answer is asked less and less often.

import { ApiError } from "./api.js";

const often = 3000; // milliseconds between questions
const rarely = 30_000; // the same at the most, when there is no answer

/** @typedef {import("./types.js").Topology} Topology */

export class Cloud {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    /** @type {Topology} */
    this.now = { networks: [], routers: [] };
    this.known = false; // whether there was an answer
    /** What is wrong, and when the controller is asked again; null while it answers.
     * @type {{text: string, at: number}|null} */
    this.trouble = null;
    this.tag = "";
    this.pause = often;
    this.timer = 0;
    /** @type {(() => void)[]} */
    this.watchers = [];
    /** @type {Map<string, import("./types.js").Network>} */
    this.networks = new Map();
    /** @type {Map<string, import("./types.js").Router>} */
    this.routers = new Map();
    /** @type {Map<string, import("./types.js").Host>} */
    this.hosts = new Map();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.timer) this.ask();
    });
  }

  /** fn is called with whether the cloud is another one. @param {(changed: boolean) => void} fn */
  watch(fn) {
    this.watchers.push(fn);
  }

  /** Whether hosts are shown: to administrators. */
  get operator() {
    return this.now.hosts !== undefined;
  }

  async ask() {
    clearTimeout(this.timer);
    let changed = false;
    try {
      const { body, tag } = await this.api.get("lepton-topology", {}, { tag: this.tag });
      this.trouble = null;
      this.pause = often;
      if (body) {
        this.take(body.lepton_topology);
        this.tag = tag;
        changed = true;
      }
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status === 401) return;
      const wait = Math.max(this.pause * (0.75 + Math.random() / 2), 1000 * e.retryAfter);
      this.pause = Math.min(2 * this.pause, rarely);
      this.trouble = { text: e.message, at: Date.now() + wait };
    }
    const wait = this.trouble ? this.trouble.at - Date.now() : often;
    // A page that nobody sees asks when it is seen again.
    this.timer = setTimeout(() => document.hidden || this.ask(), wait);
    for (const fn of this.watchers) fn(changed);
  }

  /** @param {Topology} t */
  take(t) {
    this.now = t;
    this.known = true;
    this.networks = new Map(t.networks.map((n) => [n.id, n]));
    this.routers = new Map(t.routers.map((r) => [r.id, r]));
    this.hosts = new Map((t.hosts ?? []).map((host) => [host.host, host]));
  }

  /** What of a network is on a host. @param {string} network @param {string} host */
  cell(network, host) {
    const row = this.hosts.get(host)?.networks.find((c) => this.now.networks[c[0]]?.id === network);
    return row ? { ports: row[1], active: row[2], error: row[3], service: row[4] } : null;
  }

  /** The hosts that have ports of a network. @param {string} network */
  hostsOf(network) {
    const at = this.now.networks.findIndex((n) => n.id === network);
    return (this.now.hosts ?? []).filter((host) => host.host && host.networks.some((c) => c[0] === at));
  }
}

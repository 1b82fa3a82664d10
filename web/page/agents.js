// The table of agents: who lives, who is in sync, and what they cannot do.

import { ApiError } from "./api.js";
import { ago, byID, count, h, pill } from "./dom.js";

const often = 5000; // milliseconds
const most = 3000; // agents

export class Agents {
  /** @param {import("./api.js").Api} api @param {{pick: (key: string) => void}} on */
  constructor(api, on) {
    this.api = api;
    this.on = on;
    this.box = byID("agents");
    this.timer = 0;
  }

  /** Shows and renews the table until hide. */
  async show() {
    clearTimeout(this.timer);
    this.box.hidden = false;
    try {
      if (!document.hidden) {
        const { items } = await this.api.list("agents", "agents", {}, { most, page: most });
        this.fill(items);
      }
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      const text = e.status === 403 ? "Agents are shown to administrators." : e.message;
      if (e.status === 403 || !this.box.firstChild) this.box.replaceChildren(h("p", { class: "note", text }));
    }
    if (!this.box.hidden) this.timer = setTimeout(() => this.show(), often);
  }

  hide() {
    clearTimeout(this.timer);
    this.box.hidden = true;
  }

  /** @param {any[]} agents */
  fill(agents) {
    const hosts = byHost(agents);
    if (!hosts.length) {
      this.box.replaceChildren(h("p", { class: "note", text: "No agent has introduced itself yet." }));
      return;
    }
    const silent = hosts.filter((x) => !x.alive).length;
    const astray = hosts.filter((x) => x.alive && (x.problems.length || x.inSync === false)).length;
    const head = ["Host", "Agent", "Last heard of", "Roles", "Devices", "Version", "Zone", "What is wrong"];
    this.box.replaceChildren(
      h("p", { class: "sum", text: `${count(hosts.length, "host")}: ${hosts.length - silent} alive, ${silent} silent, ${astray} with problems or not in sync.` }),
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col", text })))), h("tbody", {}, ...hosts.map((x) => this.row(x)))));
  }

  row(x) {
    const state = !x.alive ? pill("silent", "bad") : x.inSync === false ? pill("not in sync", "warn") : x.problems.length ? pill(count(x.problems.length, "problem"), "warn") : pill("in sync", "good");
    const name = h("button", { class: "link", text: x.host, on: { click: () => this.on.pick("host:" + x.host) } });
    return h("tr", {}, h("td", {}, name), h("td", {}, state), h("td", { text: ago(x.heard) }),
      h("td", {}, x.roles.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((r) => r.name + (r.up ? "" : " (disabled)")).join(", ")), h("td", { text: x.devices ?? "" }), h("td", { text: x.version ?? "" }),
      h("td", { text: x.zone ?? "" }), h("td", {}, ...x.problems.slice(0, 8).map((text) => h("div", { class: "problem", text })),
        x.problems.length > 8 && h("div", { class: "note", text: `and ${x.problems.length - 8} more` })));
  }
}

/** The agents of each host as one; the ones with something wrong come first. */
function byHost(agents) {
  const roles = { "Open vSwitch agent": "l2", "L3 agent": "l3", "DHCP agent": "dhcp", "Metadata agent": "metadata" };
  const hosts = new Map();
  for (const a of agents) {
    if (!hosts.has(a.host)) hosts.set(a.host, { host: a.host, alive: false, roles: [], problems: [], heard: "" });
    const x = hosts.get(a.host);
    x.alive ||= a.alive;
    x.heard = a.heartbeat_timestamp > x.heard ? a.heartbeat_timestamp : x.heard;
    x.roles.push({ name: roles[a.agent_type] ?? a.agent_type, up: a.admin_state_up });
    x.zone ??= a.availability_zone;
    const set = a.configurations ?? {};
    if (set.devices !== undefined) {
      Object.assign(x, { devices: set.devices, inSync: set.in_sync, version: set.version, problems: set.problems ?? [] });
    }
  }
  const rank = (x) => (!x.alive ? 0 : x.inSync === false || x.problems.length ? 1 : 2);
  return [...hosts.values()].sort((a, b) => rank(a) - rank(b) || a.host.localeCompare(b.host, "en", { numeric: true }));
}

/** What a host cannot do. @param {import("./inspector.js").Context} c @param {string} host */
export async function problems(c, host) {
  const { body } = await c.api.get("agents", { host }, { signal: c.signal });
  const all = body.agents.flatMap((a) => a.configurations?.problems ?? []);
  return [h("ul", { class: "items" }, ...all.slice(0, 50).map((text) => h("li", { class: "error", text })))];
}

/** What others changed on a host, as its agent found it: nothing where nothing was.
 * @param {import("./inspector.js").Context} c @param {string} host */
export async function drift(c, host) {
  const { body } = await c.api.get("agents", { host }, { signal: c.signal });
  const all = body.agents.flatMap((a) => a.configurations?.drift ?? []);
  if (!all.length) return [];
  return [h("ul", { class: "items drift" }, ...all.slice(0, 20).map((f) => h("li", {},
    h("div", { class: "line" }, h("span", { class: "name", text: f.kind + (f.place ? " in " + f.place : "") }),
      h("span", { class: "num", title: f.at, text: ago(f.at) }), pill(f.repaired ? "put right" : "left as it is", f.repaired ? "good" : "warn")),
    f.object && h("div", { class: "small" }, thing(c, f.object)), h("div", { class: "small", text: f.text }))))];
}

/** An object as findings name it, "port <id>", with a way to it. */
function thing(c, name) {
  const [kind, id] = name.split(" ");
  return ["port", "network", "router", "subnet"].includes(kind) && /^[0-9a-f-]{36}$/.test(id ?? "") ? c.link(`${kind}:${id}`, name) : name;
}

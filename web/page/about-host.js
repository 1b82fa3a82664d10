// The panels about a host, a network on a host, a tunnel, and a physical network.

import { count, facts, h, mono, pill, titleOf } from "./dom.js";
import { later, section, shares } from "./inspector.js";
import { networkLine, portList } from "./about-network.js";
import { health } from "./physical.js";
import { drift, problems } from "./agents.js";
import { eventsPart } from "./events.js";

const shown = 60;

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutHost(c, id) {
  const host = c.cloud.hosts.get(id);
  if (!c.cloud.operator) return { kind: "Host", title: id, parts: [h("p", { class: "note", text: "Hosts are shown to administrators." })] };
  if (!host) return { kind: "Host", title: id, parts: [h("p", { class: "note", text: "No agent has this name, and no port is bound to it." })] };
  const { word, kind } = health(host);
  const rows = host.networks.map(([at, ports]) => ({ n: c.cloud.now.networks[at], ports })).filter((r) => r.n).sort((a, b) => b.ports - a.ports);
  const sum = host.networks.reduce((s, [, ports, active, error, service]) => ({
    ports: s.ports + ports, active: s.active + active, error: s.error + error, service: s.service + service,
  }), { ports: 0, active: 0, error: 0, service: 0 });
  return {
    kind: "Host", title: host.host,
    parts: [
      facts([
        ["Agent", pill(word, kind)], ["Roles", host.roles?.join(", ")], ["Version", host.version],
        ["Tunnel address", host.tunneling_ip && mono(host.tunneling_ip)], ["Tunnels", host.tunnel_types?.join(", ")],
        ["Physical", host.physical_networks?.length > 0 && h("span", {}, ...host.physical_networks.map((p) => c.link("physical:" + p, p)))],
        ["Devices", host.devices], ["State", host.admin_state_up === false && pill("administratively down", "warn")],
      ]),
      host.agent && host.problems > 0 && later(c, "Problems", () => problems(c, id)),
      host.agent && later(c, "Changed by others", () => drift(c, id)),
      section("Ports", shares(sum)),
      rows.length > 0 && section("Networks", h("ul", { class: "items" }, ...rows.slice(0, shown).map(({ n, ports }) => h("li", { class: "line" },
        h("span", { class: "name" }, networkLine(c, n.id)), c.link(`cell:${n.id}@${id}`, count(ports, "port")))))),
      rows.length > shown && h("p", { class: "note", text: `and ${rows.length - shown} more` }),
      host.agent && eventsPart(c, { host: id, kind: "agent" }),
    ],
  };
}

/** @param {import("./inspector.js").Context} c @param {{network: string, host: string}} cell */
export async function aboutCell(c, { network, host }) {
  const n = c.cloud.networks.get(network);
  const cell = c.cloud.cell(network, host);
  return {
    kind: "Network on a host", title: `${n ? titleOf(n) : network} on ${host}`,
    parts: [
      facts([["Network", networkLine(c, network)], ["Host", c.link("host:" + host, host)]]),
      cell && section("Ports", shares(cell)),
      later(c, "Some of them", () => portList(c, { network_id: network, "binding:host_id": host })),
    ],
  };
}

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutTunnel(c, id) {
  const [a, b] = id.split("|");
  const [one, other] = [a, b].map((name) => c.cloud.hosts.get(name));
  const theirs = new Set(other?.networks.map((row) => row[0]));
  const common = (one?.networks ?? []).filter((row) => theirs.has(row[0])).map((row) => c.cloud.now.networks[row[0]]).filter((n) => n?.["provider:segmentation_id"]);
  return {
    kind: "Tunnel", title: `${a} – ${b}`,
    parts: [
      facts([[a, c.link("host:" + a, one?.tunneling_ip ?? a)], [b, c.link("host:" + b, other?.tunneling_ip ?? b)]]),
      section(`${count(common.length, "network")} in common`, h("ul", { class: "items" }, ...common.slice(0, shown).map((n) => h("li", { class: "line" },
        h("span", { class: "name" }, networkLine(c, n.id)), h("span", { class: "num", text: `${n["provider:network_type"]} ${n["provider:segmentation_id"]}` }))))),
    ],
  };
}

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutPhysical(c, id) {
  const hosts = (c.cloud.now.hosts ?? []).filter((host) => host.physical_networks?.includes(id));
  const networks = c.cloud.now.networks.filter((n) => n["provider:physical_network"] === id);
  return {
    kind: "Physical network", title: id,
    parts: [
      section("Networks on it", networks.length ? h("ul", { class: "items" }, ...networks.slice(0, shown).map((n) => h("li", { class: "line" },
        h("span", { class: "name" }, networkLine(c, n.id)), h("span", { class: "num", text: `${n["provider:network_type"]} ${n["provider:segmentation_id"] || ""}` })))) : h("p", { class: "note", text: "None." })),
      section("Hosts with a bridge to it", h("ul", { class: "items" }, ...hosts.slice(0, shown).map((host) => h("li", {}, c.link("host:" + host.host, host.host))))),
    ],
  };
}

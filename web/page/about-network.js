// The panel about a network, and about a subnet.

import { count, facts, h, mono, pill, titleOf } from "./dom.js";
import { later, section, shares } from "./inspector.js";
import { swatch } from "./outline.js";
import { stateOf } from "./ports.js";
import { eventsPart } from "./events.js";
import { hueOf } from "./colour.js";

const shownPorts = 50;

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutNetwork(c, id) {
  const n = c.cloud.networks.get(id) ?? (await whole(c, id));
  const segment = n["provider:network_type"] && [n["provider:network_type"], n["provider:physical_network"], n["provider:segmentation_id"] || null].filter(Boolean).join(" ");
  const routers = c.cloud.now.routers.filter((r) => r.gateway === id || r.networks.includes(id));
  return {
    kind: n["router:external"] ? "External network" : "Network", title: titleOf(n),
    parts: [
      facts([
        ["ID", mono(n.id)], ["Project", mono(n.project_id)], ["Segment", segment], ["MTU", n.mtu],
        ["State", n.admin_state_up ? null : pill("administratively down", "warn")], ["Shared", n.shared && "with everybody or with you"],
      ]),
      section("Ports", shares(n)),
      n.subnets.length > 0 && section("Subnets", h("ul", { class: "items" }, ...n.subnets.map((s) => h("li", {},
        h("div", { class: "line" }, h("span", { class: "name" }, c.link("subnet:" + s.id, titleOf(s))), mono(s.cidr)),
        h("div", { class: "small", text: `${s.gateway_ip ? "gateway " + s.gateway_ip : "no gateway"} · ${s.enable_dhcp ? "DHCP" : "no DHCP"}` }))))),
      routers.length > 0 && section("Routers", h("ul", { class: "items" }, ...routers.map((r) => h("li", { class: "line" },
        swatch({ class: "router" }), h("span", { class: "name" }, c.link("router:" + r.id, titleOf(r))), h("span", { class: "num", text: r.gateway === id ? "gateway" : "interface" }))))),
      c.cloud.operator && hostsOf(c, n),
      later(c, "Some of its ports", () => portList(c, { network_id: id })),
      eventsPart(c, { resource_id: id }),
    ],
  };
}

/** A network that the picture does not have yet. */
async function whole(c, id) {
  const { body } = await c.api.get("networks/" + id, {}, { signal: c.signal });
  return { ...body.network, subnets: [], ports: 0, active: 0, error: 0, service: 0 };
}

function hostsOf(c, n) {
  const hosts = c.cloud.hostsOf(n.id);
  if (!hosts.length) return null;
  return section(`On ${count(hosts.length, "host")}`, h("ul", { class: "items" }, ...hosts.slice(0, shownPorts).map((host) => {
    const cell = c.cloud.cell(n.id, host.host);
    return h("li", { class: "line" }, h("span", { class: "name" }, c.link(`cell:${n.id}@${host.host}`, host.host)),
      h("span", { class: "num", text: count(cell.ports, "port") }));
  })));
}

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutSubnet(c, id) {
  const { body } = await c.api.get("subnets/" + id, {}, { signal: c.signal });
  const s = body.subnet;
  const n = c.cloud.networks.get(s.network_id);
  return {
    kind: "Subnet", title: titleOf(s),
    parts: [
      facts([
        ["ID", mono(s.id)], ["Network", c.link("network:" + s.network_id, n ? titleOf(n) : s.network_id)], ["CIDR", mono(s.cidr)],
        ["Gateway", s.gateway_ip && mono(s.gateway_ip)], ["DHCP", s.enable_dhcp ? "yes" : "no"],
        ["Pools", s.allocation_pools?.length > 0 && mono(s.allocation_pools.map((p) => `${p.start} – ${p.end}`).join("\n"))],
        ["Name servers", s.dns_nameservers?.length > 0 && mono(s.dns_nameservers.join(" "))],
        ["IPv6", s.ipv6_address_mode && `${s.ipv6_address_mode}, advertisements ${s.ipv6_ra_mode ?? "by others"}`],
        ["Routes", s.host_routes?.length > 0 && mono(s.host_routes.map((r) => `${r.destination} via ${r.nexthop}`).join("\n"))],
      ]),
      later(c, "Some of its ports", () => portList(c, { fixed_ips: "subnet_id=" + id })),
      eventsPart(c, { resource_id: id }),
    ],
  };
}

/** The first ports that match. @param {import("./inspector.js").Context} c @param {Record<string, string>} filter */
export async function portList(c, filter) {
  const fields = ["id", "name", "status", "device_owner", "device_id", "fixed_ips"];
  const { items, more } = await c.api.list("ports", "ports", { ...filter, fields, sort_key: "name", sort_dir: "asc" }, { most: shownPorts, signal: c.signal });
  if (!items.length) return [h("p", { class: "note", text: "None." })];
  const kind = { active: "good", error: "bad", down: "wait", service: "router" };
  const list = h("ul", { class: "items" }, ...items.map((p) => h("li", { class: "line" },
    swatch({ class: kind[stateOf(p)] }), h("span", { class: "name" }, c.link("port:" + p.id, titleOf(p))), mono(p.fixed_ips[0]?.ip_address ?? ""))));
  return [list, more && h("p", { class: "note", text: "There are more; find them by name or address." })];
}

/** The sign and the name of a network, as a link. */
export function networkLine(c, id) {
  const n = c.cloud.networks.get(id);
  return h("span", { class: "line" }, swatch({ hue: hueOf(id) }), c.link("network:" + id, n ? titleOf(n) : id.slice(0, 8)));
}

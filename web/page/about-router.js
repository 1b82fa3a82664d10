// The panel about a router.

import { facts, h, mono, pill, titleOf } from "./dom.js";
import { later, section } from "./inspector.js";
import { networkLine } from "./about-network.js";
import { realization } from "./about-port.js";
import { eventsPart } from "./events.js";

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutRouter(c, id) {
  const { body } = await c.api.get("routers/" + id, {}, { signal: c.signal });
  const r = body.router;
  const drawn = c.cloud.routers.get(id);
  const gateway = r.external_gateway_info;
  const kind = r.ha ? "highly available" : r.distributed ? "distributed" : null;
  return {
    kind: "Router", title: titleOf(r),
    parts: [
      facts([
        ["Status", pill(r.status, r.status === "ACTIVE" ? "good" : "bad")], ["ID", mono(r.id)], ["Project", mono(r.project_id)], ["Kind", kind],
        ["State", r.admin_state_up ? null : pill("administratively down", "warn")],
        ["Gateway", gateway && networkLine(c, gateway.network_id)],
        ["Addresses", gateway?.external_fixed_ips?.length > 0 && mono(gateway.external_fixed_ips.map((f) => f.ip_address).join(" "))],
        ["SNAT", gateway && (gateway.enable_snat ? "yes" : "no")],
        ["Routes", r.routes?.length > 0 && mono(r.routes.map((x) => `${x.destination} via ${x.nexthop}`).join("\n"))],
        ["Hosts", drawn?.hosts?.length > 0 && h("span", {}, ...drawn.hosts.map((host) => c.link("host:" + host, host)))],
      ]),
      later(c, "Interfaces", () => interfaces(c, id)),
      later(c, "Floating addresses", () => floating(c, id)),
      c.cloud.operator && later(c, "On its hosts", () => realization(c, "routers/" + id)),
      eventsPart(c, { resource_id: id }),
    ],
  };
}

async function interfaces(c, id) {
  const { items } = await c.api.list("ports", "ports", { device_id: id, fields: ["id", "network_id", "fixed_ips", "device_owner"] }, { most: 100, signal: c.signal });
  const own = items.filter((p) => p.device_owner !== "network:router_gateway");
  if (!own.length) return [h("p", { class: "note", text: "None." })];
  return [h("ul", { class: "items" }, ...own.map((p) => h("li", { class: "line" },
    h("span", { class: "name" }, networkLine(c, p.network_id)), c.link("port:" + p.id, p.fixed_ips.map((f) => f.ip_address).join(" ") || "no address"))))];
}

async function floating(c, id) {
  const { items, more } = await c.api.list("floatingips", "floatingips", { router_id: id, fields: ["id", "floating_ip_address", "fixed_ip_address", "port_id", "status"] }, { most: 50, signal: c.signal });
  if (!items.length) return [];
  return [h("ul", { class: "items" }, ...items.map((f) => h("li", { class: "line" },
    h("span", { class: "name" }, mono(f.floating_ip_address)), f.port_id && c.link("port:" + f.port_id, "→ " + f.fixed_ip_address),
    pill(f.status, f.status === "ACTIVE" ? "good" : f.status === "ERROR" ? "bad" : "")))),
  more && h("p", { class: "note", text: "There are more." })];
}

// The panel about a port: what it is, what its host made of it, and what its
// security groups admit.

import { ago, count, facts, h, mono, pill, titleOf } from "./dom.js";
import { later } from "./inspector.js";
import { networkLine } from "./about-network.js";
import { eventsPart } from "./events.js";
import { explainPart } from "./explain.js";

const shownRules = 60;

/** @param {import("./inspector.js").Context} c @param {string} id */
export async function aboutPort(c, id) {
  const { body } = await c.api.get("ports/" + id, {}, { signal: c.signal });
  const p = body.port;
  const host = p["binding:host_id"];
  const kind = { ACTIVE: "good", ERROR: "bad" }[p.status] ?? "";
  return {
    kind: "Port", title: titleOf(p),
    parts: [
      facts([
        ["Status", pill(p.status, kind)], ["ID", mono(p.id)], ["Network", networkLine(c, p.network_id)],
        ["Addresses", mono(p.fixed_ips.map((f) => f.ip_address).join("\n") || "none")], ["MAC", mono(p.mac_address)],
        ["Address pairs", p.allowed_address_pairs?.length > 0 && mono(p.allowed_address_pairs.map((a) => a.ip_address).join(" "))],
        ["Device", p.device_id && device(c, p)], ["Owner", p.device_owner],
        ["Host", host && c.link("host:" + host, host)], ["VIF", p["binding:vif_type"] && `${p["binding:vif_type"]} · ${p["binding:vnic_type"]}`],
        ["Port security", p.port_security_enabled ? "on" : pill("off", "warn")], ["State", p.admin_state_up ? null : pill("administratively down", "warn")],
        ["Project", mono(p.project_id)],
      ]),
      explainPart(c, p),
      c.cloud.operator && later(c, "On its hosts", () => realization(c, "ports/" + id)),
      later(c, "Floating addresses", () => floating(c, id)),
      p.device_id && !p.device_owner.startsWith("network:") && later(c, "Other ports of its device", () => siblings(c, p)),
      p.port_security_enabled && p.security_groups.length > 0 && later(c, "Security rules", () => rules(c, p.security_groups)),
      eventsPart(c, { resource_id: id }),
    ],
  };
}

function device(c, p) {
  return p.device_owner.startsWith("network:router") && c.cloud.routers.has(p.device_id)
    ? c.link("router:" + p.device_id, titleOf(c.cloud.routers.get(p.device_id))) : mono(p.device_id);
}

async function floating(c, id) {
  const { items } = await c.api.list("floatingips", "floatingips", { port_id: id, fields: ["id", "floating_ip_address", "fixed_ip_address", "router_id", "status"] }, { most: 20, signal: c.signal });
  if (!items.length) return [];
  return [h("ul", { class: "items" }, ...items.map((f) => h("li", { class: "line" },
    h("span", { class: "name" }, mono(`${f.floating_ip_address} → ${f.fixed_ip_address}`)),
    f.router_id && c.link("router:" + f.router_id, "router"), pill(f.status, f.status === "ACTIVE" ? "good" : ""))))];
}

async function siblings(c, p) {
  const { items } = await c.api.list("ports", "ports", { device_id: p.device_id, fields: ["id", "name", "network_id", "fixed_ips"] }, { most: 20, signal: c.signal });
  const others = items.filter((o) => o.id !== p.id);
  if (!others.length) return [];
  return [h("ul", { class: "items" }, ...others.map((o) => h("li", { class: "line" },
    h("span", { class: "name" }, networkLine(c, o.network_id)), c.link("port:" + o.id, o.fixed_ips.map((f) => f.ip_address).join(" ") || titleOf(o)))))];
}

/** What each host made of an object (extension lepton-realization).
 * @param {import("./inspector.js").Context} c @param {string} path */
export async function realization(c, path) {
  const { body } = await c.api.get(path + "/lepton-realization", {}, { signal: c.signal });
  const r = body.lepton_realization;
  if (!r.hosts.length) return [h("p", { class: "note", text: "It is on no host." })];
  return [h("ul", { class: "items" }, ...r.hosts.map((x) => h("li", {},
    h("div", { class: "line" }, h("span", { class: "name" }, c.link("host:" + x.host, x.host)), h("span", { class: "num", text: x.part }), pill(x.state, { ACTIVE: "good", STANDBY: "good", ERROR: "bad" }[x.state] ?? "")),
    h("div", { class: "small", text: revisions(x) }),
    x.error && h("div", { class: "error", text: x.error }))))];
}

function revisions(x) {
  const { applied_revision: applied, desired_revision: desired } = x;
  const now = applied === null ? "" : x.realized ? `revision ${applied}, as it should be` : applied < desired ? `revision ${applied} of ${desired}` : `revision ${applied}`;
  return [now, x.since && "since " + ago(x.since)].filter(Boolean).join(" · ");
}

/** The rules of groups, with what they have admitted (extension lepton-rule-stats). */
async function rules(c, groups) {
  const { items: named } = await c.api.list("security-groups", "security_groups", { id: groups, fields: ["id", "name", "stateful"] }, { most: 100, signal: c.signal });
  const { items, more } = await c.api.list("security-group-rules", "security_group_rules", { security_group_id: groups }, { most: shownRules, signal: c.signal });
  const out = [];
  for (const id of groups) {
    const group = named.find((g) => g.id === id);
    const own = items.filter((r) => r.security_group_id === id).sort((a, b) => (a.direction < b.direction ? 1 : a.direction > b.direction ? -1 : a.id < b.id ? -1 : 1));
    out.push(h("p", {}, h("strong", { text: group ? titleOf(group) : id }), group?.stateful === false && h("span", { class: "note", text: " stateless" })),
      own.length ? h("ul", { class: "items rules" }, ...own.map((r) => rule(c, r))) : h("p", { class: "note", text: "No rules: nothing is admitted." }));
  }
  if (more) out.push(h("p", { class: "note", text: `The first ${shownRules} rules are shown.` }));
  return out;
}

function rule(c, r) {
  const counter = h("span", { class: "num counter", text: c.kept.get(r.id) ?? "" });
  c.api.get(`security-group-rules/${r.id}/lepton-stats`, {}, { signal: c.signal }).then(({ body }) => {
    const { packets, bytes } = body.lepton_stats;
    counter.textContent = !packets ? "no packets" : `${count(packets, "packet")}, ${size(bytes)}`;
    c.kept.set(r.id, counter.textContent);
  }, () => {});
  const ports = r.port_range_min === null ? "" : r.port_range_min === r.port_range_max ? ` ${r.port_range_min}` : ` ${r.port_range_min}–${r.port_range_max}`;
  const remote = r.remote_ip_prefix ?? (r.remote_group_id ? "group " + r.remote_group_id.slice(0, 8) : r.remote_address_group_id ? "address group " + r.remote_address_group_id.slice(0, 8) : "anywhere");
  const way = r.direction === "ingress" ? "in from" : "out to";
  return h("li", { title: r.description || r.id }, h("div", { class: "line" },
    h("span", { class: "name", text: `${way} ${remote}` }), h("span", { class: "num mono", text: `${r.ethertype} ${r.protocol ?? "any"}${ports}` })),
  h("div", { class: "small" }, counter));
}

/** @param {number} n bytes */
function size(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n < 10 && i ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

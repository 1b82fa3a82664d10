// What becomes of a packet between two ports (extension lepton-explain): the two ends
// are chosen in the panels of ports, the answer shows in that of either.

import { h, mono, pill } from "./dom.js";

const protocols = ["icmp", "tcp", "udp"];

/** Whether the controller explains, once it has been asked. @type {Promise<boolean>|null} */
let explains = null;

function canExplain(api) {
  explains ??= api.get("extensions", { fields: "alias" }).then(
    ({ body }) => body.extensions.some((e) => e.alias === "lepton-explain"),
    () => {
      explains = null; // it is asked again
      return false;
    });
  return explains;
}

/** The part of a port's panel in which it becomes an end, and in which the answer is.
 * @param {import("./inspector.js").Context} c @param {import("./types.js").Port} p */
export function explainPart(c, p) {
  const part = h("section", {});
  canExplain(c.api).then((yes) => yes && !c.signal.aborted && fill(part, c, p));
  return part;
}

function fill(part, c, p) {
  const { from, to } = c.state.shown;
  const buttons = h("div", { class: "actions" },
    p.id !== from && h("button", { id: "explain-from", text: "Explain from here", on: { click: () => c.state.set({ from: p.id, to: to === p.id ? null : to }) } }),
    from && p.id !== from && p.id !== to && h("button", { id: "explain-to", class: "primary", text: "… to here", on: { click: () => c.state.set({ to: p.id }) } }),
    from && h("button", { class: "link", text: "Clear", on: { click: () => c.state.set({ from: null, to: null }) } }));
  const parts = [buttons];
  if (from === p.id && !to) parts.push(h("p", { class: "note", text: "Now select the other port, or give an address." }), address(c));
  if (from && to && (p.id === from || p.id === to)) parts.push(h("h3", { text: "Explanation" }), ends(c, from, to), question(c, from, to));
  part.replaceChildren(...parts);
}

function address(c) {
  const input = h("input", { name: "to", placeholder: "203.0.113.7", "aria-label": "Address to explain to", maxlength: "64", spellcheck: "false" });
  return h("form", { class: "ask", on: { submit: (e) => {
    e.preventDefault();
    if (input.value.trim()) c.state.set({ to: input.value.trim() });
  } } }, input, h("button", { type: "submit", text: "Explain" }));
}

function ends(c, from, to) {
  const end = (id) => (/^[0-9a-f]{8}-/.test(id) ? c.link("port:" + id, id.slice(0, 8)) : h("span", { text: id }));
  return h("p", {}, "from ", end(from), " to ", end(to));
}

/** The form that says what packet, and the answer below it. */
function question(c, from, to) {
  const asked = c.kept.get("explain-asked") ?? { protocol: "icmp", port: "443" };
  const select = h("select", { name: "protocol", "aria-label": "Protocol" }, ...protocols.map((name) => h("option", { value: name, text: name, selected: name === asked.protocol })));
  const port = h("input", { name: "port", value: asked.port, "aria-label": "Destination port", inputmode: "numeric", maxlength: "5" });
  const fit = () => {
    port.disabled = select.value === "icmp"; // which has none
  };
  select.addEventListener("change", fit);
  fit();
  const slot = `explain ${from} ${to}`;
  const answer = h("div", { class: "answer" }, ...(c.kept.get(slot) ?? []));
  const ask = async () => {
    const now = { protocol: select.value, port: port.value.trim() };
    c.kept.set("explain-asked", now);
    const params = { from, to, protocol: now.protocol };
    if (now.protocol !== "icmp" && now.port) params.port = now.port;
    let parts;
    try {
      const { body } = await c.api.get("lepton-explain", params, { signal: c.signal });
      parts = answerParts(c, body.lepton_explain);
    } catch (e) {
      if (c.signal.aborted) return;
      parts = [h("p", { class: "error", text: e.message })];
    }
    c.kept.set(slot, parts);
    answer.replaceChildren(...parts);
  };
  // An answer is work for the controller: one that is there stays until somebody asks.
  if (!c.kept.has(slot)) ask();
  return h("div", {}, h("form", { class: "ask", on: { submit: (e) => {
    e.preventDefault();
    ask();
  } } }, select, port, h("button", { type: "submit", text: "Ask" })), answer);
}

/** @param {any} a the answer */
function answerParts(c, a) {
  const admitted = a.verdict === "passes" || a.verdict === "leaves";
  const parts = [h("p", { class: "verdict " + (admitted ? "good" : "bad") }, pill(a.verdict, admitted ? "good" : "bad"), " ", a.text)];
  if (a.decision?.object) parts.push(h("p", { class: "note" }, "decided by ", object(c, a.decision.object), a.decision.host && ` on ${a.decision.host}`));
  if (a.nearest?.text) parts.push(h("p", { class: "note" }, a.nearest.text));
  if (a.advice) parts.push(h("p", {}, h("strong", { text: "What to do: " }), mono(a.advice)));
  for (const text of a.warnings ?? []) parts.push(h("p", { class: "note", text }));
  for (const x of a.pending ?? []) parts.push(h("p", { class: "note" }, "Not yet: ", x.object && object(c, x.object), x.text, x.host && ` (${x.host})`));
  for (const [title, way, steps] of [["There", "forward", a.forward], ["And back", "reply", a.reply]]) {
    const ends = !admitted && a.decision?.direction === way;
    if (steps?.length) parts.push(h("h3", { text: title }), path(c, steps, ends));
  }
  return parts;
}

/** The stages of the way; ends says that the last is where the packet ends. */
function path(c, steps, ends) {
  return h("ol", { class: "path" }, ...steps.map((s, i) => h("li", { class: ends && i === steps.length - 1 ? "bad" : "good" },
    s.host && h("span", { class: "where" }, c.cloud.operator ? c.link("host:" + s.host, s.host) : s.host, " "), h("span", { text: s.text }),
    (s.objects ?? []).length > 0 && h("div", { class: "small" }, ...s.objects.map((o) => object(c, o))),
    s.packet && h("div", { class: "small mono", text: s.packet }))));
}

/** An object of the API, as a link where the page shows such ones. */
function object(c, o) {
  const kind = o.kind === "floatingip" ? "floating IP" : o.kind.replaceAll("_", " ");
  // A rule is known by what it admits, everything else by its name.
  const text = (o.kind === "security_group_rule" && o.text) || `${kind} ${o.name || (o.id ?? "").slice(0, 8)}`;
  const known = ["port", "network", "router", "subnet"].includes(o.kind) && o.id;
  return h("span", {}, known ? c.link(`${o.kind}:${o.id}`, text) : text, " ");
}

// What the journal has about an object (extension lepton-events): who changed what,
// and what hosts made of it.

import { ago, h } from "./dom.js";
import { later } from "./inspector.js";

const shown = 10;
const rest = 30_000; // milliseconds: the journal is read, which costs more than a record
const most = 120; // characters of a value

/** The part of a panel with the last events.
 * @param {import("./inspector.js").Context} c @param {Record<string, any>} about filters of the API */
export function eventsPart(c, about) {
  return later(c, "Last events", async () => {
    const before = c.kept.get("events");
    if (before && Date.now() - before.at < rest) return [list(c, before.events)];
    const { body } = await c.api.get("lepton-events", { ...about, limit: shown }, { signal: c.signal });
    const events = body.lepton_events ?? [];
    c.kept.set("events", { at: Date.now(), events });
    return [list(c, events)];
  });
}

function list(c, events) {
  if (!events.length) return h("p", { class: "note", text: "Nothing that the journal still has." });
  return h("ul", { class: "items events" }, ...events.map((e) => h("li", {},
    h("div", { class: "line" }, h("span", { class: "name", text: what(e) }), h("span", { class: "num", title: e.at, text: ago(e.at) })),
    who(e) && h("div", { class: "small", text: who(e) }),
    ...details(e).map((text) => h("div", { class: "small", text })),
    e.message && h("div", { class: e.action === "solved" ? "small" : "error", text: e.message }))));
}

function what(e) {
  switch (e.kind) {
    case "change": return { create: "created", update: "changed", delete: "deleted" }[e.action] ?? e.action;
    case "applied": return "applied by hosts";
    case "state": return [e.part, e.state].filter(Boolean).join(" ") || e.action;
  }
  return e.action;
}

function who(e) {
  const by = e.by;
  const hosts = e.hosts?.length ? e.hosts.slice(0, 5).join(", ") + (e.hosts.length > 5 ? ` and ${e.hosts.length - 5} more` : "") : "";
  if (e.kind !== "change") return hosts && "on " + hosts;
  if (!by) return "";
  if (by.kind === "controller") return `by the controller${by.part ? " (" + by.part + ")" : ""}`;
  if (by.kind !== "user") return "by an " + by.kind;
  const name = by.user_name || by.user_id || "somebody";
  return `by ${name}${by.address ? " from " + by.address : ""}`;
}

/** The attributes that a change of an object changed. */
function details(e) {
  if (e.kind !== "change" || e.action !== "update") return [];
  return (e.attributes ?? []).slice(0, 6).map((a) => (a.secret ? `${a.name}: not written down` : `${a.name}: ${text(a.old)} → ${text(a.new)}`));
}

function text(value) {
  const s = value === null || value === undefined || value === "" ? "–" : typeof value === "string" ? value : JSON.stringify(value);
  return s.length > most ? s.slice(0, most) + "…" : s;
}

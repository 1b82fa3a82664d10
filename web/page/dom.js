// Elements from values. Names in a cloud are written by its tenants, so text is
// only ever text here: there is no way from a string to markup.

/**
 * Makes an element. A property "class" is its class, "on" its listeners, "text" its
 * text; every other one is an attribute, left out when null or false.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, fn] of Object.entries(value)) e.addEventListener(type, fn);
    } else if (name === "text") {
      e.textContent = String(value);
    } else if (name.startsWith("on") || name === "style" || name === "srcdoc") {
      throw new Error(`attribute ${name} is not for h()`);
    } else {
      e.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) e.append(child instanceof Node ? child : String(child));
  }
  return e;
}

/** @param {string} id @returns {any} */
export function byID(id) {
  const e = document.getElementById(id);
  if (!e) throw new Error(`no element ${id}`);
  return e;
}

/** A list of facts: pairs of a term and what is said of it; empty ones are left out.
 * @param {[string, any][]} pairs */
export function facts(pairs) {
  const dl = h("dl", { class: "facts" });
  for (const [term, value] of pairs) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    dl.append(h("dt", { text: term }), h("dd", {}, value));
  }
  return dl;
}

/** Text in the fixed-width face. @param {any} text */
export const mono = (text) => h("span", { class: "mono", text });

/** @param {string} text @param {string} [kind] good, bad, warn */
export const pill = (text, kind = "") => h("span", { class: "pill " + kind, text });

/** How an object is called: its name, or the beginning of its id.
 * @param {{name?: string, id: string}} o */
export const titleOf = (o) => o.name || o.id.slice(0, 8);

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** How long ago a time was, in words. @param {string|null} time */
export function ago(time) {
  if (!time) return "";
  const text = /[zZ]|[+-]\d\d:?\d\d$/.test(time) ? time : time.replace(" ", "T") + "Z";
  const s = Math.max(0, (Date.now() - Date.parse(text)) / 1000);
  if (!Number.isFinite(s)) return time;
  if (s < 90) return `${Math.round(s)} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  if (s < 172800) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} days ago`;
}

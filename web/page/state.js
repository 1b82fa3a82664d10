// What the page shows: view, selection, and the two ends of an explanation. It
// stands in the address' fragment, so that an address can be handed on.

export const views = ["logical", "physical", "agents"];
// Ids go into the paths of requests, and addresses are handed about by anybody.
const keyForm = /^((network|router|port|subnet):[0-9A-Za-z-]{1,64}|cell:[0-9A-Za-z-]{36}@.{1,255}|(host|tunnel|physical):.{1,520})$/;

/**
 * @typedef {object} Shown
 * @property {string} view
 * @property {string|null} selected  a key
 * @property {string|null} from      a port's id
 * @property {string|null} to        a port's id, or an address
 */

export class State {
  constructor() {
    /** @type {Shown} */
    this.shown = { view: "logical", selected: null, from: null, to: null };
    /** @type {((now: Shown, before: Shown) => void)[]} */
    this.watchers = [];
    this.read();
    addEventListener("hashchange", () => this.read());
  }

  /** @param {(now: Shown, before: Shown) => void} fn */
  watch(fn) {
    this.watchers.push(fn);
  }

  /** @param {Partial<Shown>} change */
  set(change) {
    const before = this.shown;
    this.shown = { ...before, ...change };
    if (Object.keys(change).every((k) => before[k] === this.shown[k])) return;
    const fragment = "#" + this.fragment();
    if (location.hash !== fragment) {
      // A view and a selection are steps to go back to; an end is not.
      const step = before.view !== this.shown.view || before.selected !== this.shown.selected;
      history[step ? "pushState" : "replaceState"](null, "", fragment);
    }
    for (const fn of this.watchers) fn(this.shown, before);
  }

  fragment() {
    const p = new URLSearchParams({ view: this.shown.view });
    for (const name of ["selected", "from", "to"]) if (this.shown[name]) p.set(name, this.shown[name]);
    return p.toString();
  }

  /** Takes over what the fragment says; what it says wrongly is left out. */
  read() {
    const p = new URLSearchParams(location.hash.slice(1));
    const view = p.get("view") ?? "";
    const selected = p.get("selected") ?? "";
    const end = (name) => (/^[0-9a-fA-F.:-]{2,64}$/.test(p.get(name) ?? "") ? p.get(name) : null);
    this.set({
      view: views.includes(view) ? view : "logical",
      selected: keyForm.test(selected) ? selected : null,
      from: end("from"), to: end("to"),
    });
  }
}

/** Takes a key apart. @param {string|null} key @returns {{kind: string, id: string}} */
export function parse(key) {
  const at = (key ?? "").indexOf(":");
  return at < 0 ? { kind: "", id: "" } : { kind: key.slice(0, at), id: key.slice(at + 1) };
}

/** The network and the host of a cell. @param {string} id */
export function cellOf(id) {
  return { network: id.slice(0, 36), host: id.slice(37) };
}

// The legend of each view.

import { byID, h } from "./dom.js";

const signs = {
  logical: [["bar", "network"], ["rail", "external network"], ["router", "router"], ["active", "port, active"], ["down", "down"], ["error", "error"], ["service", "network service"]],
  physical: [["bar", "network on a host"], ["tunnel", "tunnel"], ["rail", "physical network"], ["sync", "in sync"], ["astray", "not in sync, or with problems"], ["silent", "silent"]],
};

/** @param {string} view */
export function legend(view) {
  byID("legend").replaceChildren(...(signs[view] ?? []).map(([sign, text]) => h("span", {}, h("i", { class: "key " + sign, "aria-hidden": "true" }), text)));
}

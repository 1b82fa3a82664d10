// Colours: those of the theme as style sheets have them, and one for each network.

const names = ["page", "surface", "raised", "sunken", "line", "text", "soft", "faint", "accent", "accent-soft",
  "good", "active", "wait", "bad", "warn", "edge", "tile", "network-l", "network-c"];

/** The theme's colours, read once for each theme.
 * @returns {Record<string, string>} */
export function themeColours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(names.map((n) => [n, style.getPropertyValue("--" + n).trim()]));
}

/** The hue of a network: a hash of its id (FNV-1a), so that it is the same on every
 * screen and in every session. @param {string} id @returns {number} degrees */
export function hueOf(id) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return ((hash >>> 0) % 72) * 5;
}

/** @param {string} id @param {Record<string, string>} c the theme's colours @param {number} [alpha] */
export function networkColour(id, c, alpha = 1) {
  const a = alpha === 1 ? "" : ` / ${alpha}`;
  return `oklch(${c["network-l"]} ${c["network-c"]} ${hueOf(id)}${a})`;
}

const kept = "lepton-theme";

/** Chooses light or dark: what was chosen here before, or what the system has. */
export function startTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = localStorage.getItem(kept);
  const apply = () => {
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    const dark = document.documentElement.dataset.theme === "dark";
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = dark ? "☀" : "☾";
      button.title = dark ? "Light colours" : "Dark colours";
      button.setAttribute("aria-label", button.title);
    }
    changed();
  };
  system.addEventListener("change", apply);
  document.getElementById("theme")?.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem(kept, chosen);
    apply();
  });
  apply();
}

// Who looks at the page. Without authentication everybody does; otherwise a token
// is asked for, pasted or got from the identity service by the controller, and
// kept until the tab is closed.

import { byID } from "./dom.js";

const kept = "lepton-session";

/**
 * @typedef {{auth: "none"|"token"|"keystone", domain: string}} Door
 * @typedef {{token: string, who: string}} Session
 */

export class Login {
  /** @param {() => void} entered is called when there is somebody to look */
  constructor(entered) {
    this.entered = entered;
    /** @type {Door} */
    this.door = { auth: "token", domain: "" };
    /** @type {Session|null} */
    this.session = null;
    this.pasting = true;
    this.form = byID("login-form");
    this.form.addEventListener("submit", (e) => {
      e.preventDefault();
      this.submit();
    });
    byID("login-other").addEventListener("click", () => this.ask(!this.pasting));
  }

  /** @returns {string|null} */
  token = () => this.session?.token ?? null;

  /** Learns what the controller asks for, and lets those in who have it. */
  async begin() {
    for (let pause = 1000; ; pause = Math.min(2 * pause, 30_000)) {
      try {
        const res = await fetch("session", { cache: "no-store", credentials: "omit" });
        if (!res.ok) throw new Error();
        this.door = await res.json();
        break;
      } catch {
        this.show("The controller does not answer. Trying again.");
        await new Promise((done) => setTimeout(done, pause * (0.75 + Math.random() / 2)));
      }
    }
    this.session = this.door.auth === "none" ? null : recall();
    if (this.door.auth === "none" || this.session) this.enter();
    else this.ask(this.door.auth !== "keystone");
  }

  enter() {
    byID("login").hidden = true;
    byID("app").hidden = false;
    const out = byID("sign-out");
    out.hidden = this.door.auth === "none";
    out.title = this.session?.who ?? "";
    this.entered();
  }

  /** Forgets who looks; everything seen goes with the page.
   * @param {string} [why] */
  leave(why = "") {
    sessionStorage.removeItem(kept);
    this.session = null;
    if (why) sessionStorage.setItem(kept + "-why", why);
    location.reload();
  }

  show(text) {
    byID("login").hidden = false;
    byID("app").hidden = true;
    byID("login-error").textContent = text;
  }

  /** Shows the form. @param {boolean} pasting whether for a token */
  ask(pasting) {
    this.pasting = pasting;
    byID("login-password").hidden = pasting;
    byID("login-token").hidden = !pasting;
    byID("login-hint").textContent = pasting
      ? "Sign in with a token of the Networking API." : "Sign in with your account in Keystone.";
    const other = byID("login-other");
    other.hidden = this.door.auth !== "keystone";
    other.textContent = pasting ? "Use a password" : "Use a token";
    if (!this.form.elements.domain.value) this.form.elements.domain.value = this.door.domain;
    const why = sessionStorage.getItem(kept + "-why") ?? "";
    sessionStorage.removeItem(kept + "-why");
    this.show(why);
    this.form.elements[pasting ? "token" : "username"].focus();
  }

  async submit() {
    const field = (name) => this.form.elements[name].value;
    const button = this.form.querySelector("button.primary");
    button.disabled = true;
    try {
      const session = this.pasting
        ? await check(field("token").trim())
        : await logIn({ username: field("username"), password: field("password"), project: field("project"), domain: field("domain") });
      sessionStorage.setItem(kept, JSON.stringify(session));
      this.session = session;
      this.form.elements.password.value = this.form.elements.token.value = "";
      this.enter();
    } catch (e) {
      byID("login-error").textContent = e instanceof Refused ? e.message : "The controller does not answer.";
    } finally {
      button.disabled = false;
    }
  }
}

class Refused extends Error {}

/** @returns {Session|null} */
function recall() {
  try {
    const s = JSON.parse(sessionStorage.getItem(kept) ?? "null");
    return typeof s?.token === "string" ? s : null;
  } catch {
    return null;
  }
}

/** Tries a token. @param {string} token @returns {Promise<Session>} */
async function check(token) {
  if (!/^[\x21-\x7e]{1,8192}$/.test(token)) throw new Refused("That is no token.");
  const res = await fetch("../v2.0/networks?limit=1&fields=id", { headers: { "X-Auth-Token": token }, credentials: "omit", cache: "no-store" });
  if (res.status === 401) throw new Refused("The controller does not know this token.");
  if (!res.ok) throw new Refused(`The controller answers with status ${res.status}.`);
  return { token, who: "" };
}

/** Has the controller ask Keystone. @returns {Promise<Session>} */
async function logIn(account) {
  const res = await fetch("login", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(account), credentials: "omit", cache: "no-store",
  });
  const answer = await res.json().catch(() => ({}));
  if (!res.ok) throw new Refused(String(answer.error ?? `The controller answers with status ${res.status}.`));
  return { token: String(answer.token), who: `${answer.user} in ${answer.project}` };
}

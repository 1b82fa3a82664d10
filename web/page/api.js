// Requests to the Networking API, with the token of whoever signed in.

/** An answer that is not a success, or none at all (status 0). */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {number} [retryAfter] seconds */
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const timeout = 20_000; // milliseconds
const atOnce = 6; // requests
const pathForm = /^[\w-]+(\/[\w-]+){0,3}$/;

export class Api {
  /** @param {() => string|null} token @param {() => void} unauthorized is called on 401 */
  constructor(token, unauthorized) {
    this.token = token;
    this.unauthorized = unauthorized;
    this.running = 0;
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /**
   * Sends GET and gives the decoded answer; body is null for 304.
   * @param {string} path below /v2.0/
   * @param {Record<string, any>} [params] lists are repeated
   * @param {{tag?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<{body: any, tag: string}>}
   */
  async get(path, params = {}, options = {}) {
    if (!pathForm.test(path)) throw new ApiError(404, "There is no such thing.");
    await this.turn();
    try {
      return await this.send(path, params, options);
    } finally {
      this.running--;
      this.waiting.shift()?.();
    }
  }

  /** Waits until few enough requests run. */
  async turn() {
    while (this.running >= atOnce) await new Promise((done) => this.waiting.push(() => done(null)));
    this.running++;
  }

  async send(path, params, { tag, signal }) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) for (const v of [value].flat()) query.append(name, String(v));
    const text = query.toString();
    const headers = { Accept: "application/json" };
    const token = this.token();
    if (token) headers["X-Auth-Token"] = token;
    if (tag) headers["If-None-Match"] = tag;
    const late = AbortSignal.timeout(timeout);
    let res;
    try {
      res = await fetch(`../v2.0/${path}${text ? "?" + text : ""}`, {
        headers, signal: signal ? AbortSignal.any([signal, late]) : late, credentials: "omit", cache: "no-store", redirect: "error",
      });
    } catch (e) {
      if (signal?.aborted) throw e;
      throw new ApiError(0, "The controller does not answer.");
    }
    if (res.status === 304) return { body: null, tag: tag ?? "" };
    const body = await res.json().catch(() => null);
    if (signal?.aborted) throw signal.reason;
    if (res.ok && body === null) throw new ApiError(0, "The controller's answer was cut off.");
    if (res.status === 401) this.unauthorized();
    if (!res.ok) throw new ApiError(res.status, messageOf(body, res.status), Number(res.headers.get("Retry-After")) || 0);
    return { body, tag: res.headers.get("ETag") ?? "" };
  }

  /**
   * Lists a collection page by page, up to most objects.
   * @param {string} path @param {string} plural the key in answers
   * @param {Record<string, any>} params
   * @param {{most?: number, page?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<{items: any[], more: boolean}>}
   */
  async list(path, plural, params, { most = 500, page = 500, signal } = {}) {
    const items = [];
    let marker = {};
    for (;;) {
      const limit = Math.min(page, most - items.length);
      const { body } = await this.get(path, { ...params, ...marker, limit }, { signal });
      const rows = Array.isArray(body?.[plural]) ? body[plural] : [];
      items.push(...rows);
      if (rows.length < limit) return { items, more: false };
      if (items.length >= most) return { items, more: true };
      marker = { marker: rows[rows.length - 1].id };
    }
  }
}

function messageOf(body, status) {
  return String(body?.NeutronError?.message ?? body?.error?.message ?? `The controller answers with status ${status}.`);
}

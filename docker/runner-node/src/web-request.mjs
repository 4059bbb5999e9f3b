// A standard `Request` of an HTTP invocation.

/** @typedef {import('./invocation.mjs').Invocation} Invocation */

/**
 * A `Request` whose signal is the invocation's. Giving the signal to the constructor would be the plain way to have
 * that, and would cost more than the rest of the invocation: so it is looked up when it is asked for. What this does
 * not do is to pass the signal on by itself where a request is made from this one; `handler.md` says so.
 */
class InvocationRequest extends Request {
  #invocation;

  /**
   * @param {Invocation} invocation
   * @param {string} url
   * @param {RequestInit} init
   */
  constructor(invocation, url, init) {
    super(url, init);
    this.#invocation = invocation;
  }

  static {
    // Not a getter in the usual form: TypeScript knows `signal` as a plain property.
    Object.defineProperty(this.prototype, 'signal', {
      /** @this {InvocationRequest} */
      get() {
        return this.#invocation.signal;
      },
    });
    Object.defineProperty(this, 'name', { value: 'Request' });
  }
}

/**
 * @param {Invocation} invocation
 * @param {Buffer | ReadableStream<Uint8Array> | null} body null: as it comes
 * @returns {Request}
 */
export function webRequest(invocation, body) {
  const http = /** @type {import('./invocation.mjs').HttpHead} */ (invocation.head.http);
  /** @type {RequestInit} */
  const init = { method: http.method, headers: requestHeaders(http) };
  // The standard does not allow a body here, although HTTP does.
  if (http.method !== 'GET' && http.method !== 'HEAD') {
    init.body = body ?? invocation.input.stream();
    init.duplex = 'half';
  }
  return new InvocationRequest(invocation, requestUrl(http), init);
}

/**
 * Repeated headers are joined by commas, which is right for all but one.
 * @param {import('./invocation.mjs').HttpHead} http
 */
export function requestHeaders({ headers }) {
  let cookies = 0;
  for (const [name] of headers) if (name === 'cookie') cookies += 1;
  if (cookies < 2) return headers;
  const cookie = headers.filter(([name]) => name === 'cookie').map(([, value]) => value);
  /** @type {[string, string][]} */
  const joined = headers.filter(([name]) => name !== 'cookie');
  joined.push(['cookie', cookie.join('; ')]);
  return joined;
}

/** @param {import('./invocation.mjs').HttpHead} http */
export function requestUrl({ scheme, authority, target }) {
  const path = target.startsWith('/') ? target : `/${target}`;
  return `${scheme}://${authority || 'localhost'}${path}`;
}

// A standard `Request` of an HTTP invocation.

/**
 * @param {import('./invocation.mjs').Invocation} invocation
 * @param {Buffer | ReadableStream<Uint8Array> | null} body null: as it comes
 * @returns {Request}
 */
export function webRequest(invocation, body) {
  const http = /** @type {import('./invocation.mjs').HttpHead} */ (invocation.head.http);
  /** @type {RequestInit} */
  const init = { method: http.method, headers: http.headers, signal: invocation.signal };
  // The standard does not allow a body here, although HTTP does.
  if (http.method !== 'GET' && http.method !== 'HEAD') {
    init.body = body ?? invocation.input.stream();
    init.duplex = 'half';
  }
  return new Request(requestUrl(http), init);
}

/** @param {import('./invocation.mjs').HttpHead} http */
export function requestUrl({ scheme, authority, target }) {
  const path = target.startsWith('/') ? target : `/${target}`;
  return `${scheme}://${authority || 'localhost'}${path}`;
}

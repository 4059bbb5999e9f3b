// The web-standard dialect: the default export has `fetch(request, env, context)`, as other platforms have it too, so
// that a Hono app (`export default app`) runs as it is. docs/reference/handler.md explains it.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const MAX_COUNT = 1_000;
const MAX_INTERVAL_MS = 10_000;

/** GET /web/count?to=10&interval=200: counts by server-sent events, one by one, until the client goes away. */
function count(request) {
  const query = new URL(request.url).searchParams;
  const to = bounded(query.get('to'), 10, MAX_COUNT);
  const interval = bounded(query.get('interval'), 200, MAX_INTERVAL_MS);

  async function* events() {
    for (let n = 1; n <= to; n += 1) {
      yield `id: ${n}\ndata: ${n}\n\n`;
      // The signal is aborted when the client has gone: there is nobody to count for.
      if (n < to) await sleep(interval, undefined, { signal: request.signal });
    }
  }
  const body = ReadableStream.from(events()).pipeThrough(new TextEncoderStream());
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } });
}

/** POST /web/hash: the SHA-256 of a body of any size, which is never in memory as a whole. */
async function hash(request) {
  const sha256 = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    sha256.update(chunk);
    bytes += chunk.length;
  }
  return Response.json({ sha256: sha256.digest('hex'), bytes });
}

/** /web/echo: sends back what comes, while it comes. */
function echo(request) {
  const type = request.headers.get('content-type') ?? 'application/octet-stream';
  return new Response(request.body, { headers: { 'content-type': type } });
}

/**
 * @param {string | null} text
 * @param {number} otherwise
 * @param {number} most
 */
function bounded(text, otherwise, most) {
  const number = Number(text ?? otherwise);
  return Number.isInteger(number) && number >= 0 ? Math.min(number, most) : otherwise;
}

const routes = { count, hash, echo };

/** @satisfies {import('@jobber/types').WebHandler} */
export default {
  async fetch(request, env, context) {
    // The triggers of package.json have names: no need to look at the path again.
    const route = routes[context.trigger];
    return route(request);
  },
};

// Makes a function of what Node's own HTTP server would call: an Express app, a Koa callback, any `(req, res)`.
//
// The app gets a real server, on a socket that only this runner has, and so the real `req` and `res`. Bodies stream in both
// directions, and a slow reader slows the writer down.

import { randomUUID } from 'node:crypto';
import { createServer, request as connect } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Statuses whose answer has no body. */
const EMPTY = new Set([204, 205, 304]);
/** Headers that are between two neighbours; Node writes those of its own connection. */
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'proxy-connection']);

/**
 * @param {import('node:http').RequestListener} app
 * @returns {{ fetch(request: Request, env: unknown, context: { ip: string | null }): Promise<Response> }}
 */
export function listener(app) {
  const socketPath = join(tmpdir(), `listener-${process.pid}-${randomUUID().slice(0, 8)}.sock`);
  const listening = new Promise((resolve, reject) => {
    // How long anything may take is for Jobber to say.
    const server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, app).once('error', reject);
    // The runner ends when Jobber says so, and not because a server still listens.
    server.listen(socketPath, () => resolve(undefined)).unref();
  });

  return {
    async fetch(request, env, context) {
      await listening;
      const { pathname, search } = new URL(request.url);
      const headers = Object.fromEntries([...request.headers].filter(([name]) => !HOP.has(name)));
      if (context.ip !== null) headers['x-forwarded-for'] = context.ip;
      const outgoing = connect({ socketPath, method: request.method, path: pathname + search, headers, signal: request.signal });
      const answered = new Promise((resolve, reject) => {
        outgoing.once('response', resolve).once('error', reject);
      });
      // The app may answer before it has read all, and then need not read the rest: what counts is its answer.
      if (request.body === null) outgoing.end();
      else pipeline(Readable.fromWeb(request.body), outgoing).catch((error) => outgoing.destroy(error));
      return answer(await answered, request.method);
    },
  };
}

/**
 * @param {import('node:http').IncomingMessage} incoming
 * @param {string} method
 */
function answer(incoming, method) {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const [name, value] = incoming.rawHeaders.slice(at, at + 2);
    // Each of several `Set-Cookie` stays by itself.
    if (!HOP.has(name.toLowerCase())) headers.append(name, value);
  }
  const status = incoming.statusCode ?? 500;
  if (method !== 'HEAD' && !EMPTY.has(status)) return new Response(Readable.toWeb(incoming), { status, headers });
  incoming.resume();
  return new Response(null, { status, headers });
}

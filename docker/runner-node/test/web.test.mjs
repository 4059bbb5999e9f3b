// The web-standard dialect.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { httpHead } from './support/heads.mjs';
import { Manager } from './support/manager.mjs';

const MODULE = `
  const routes = {
    async request(request, env, context) {
      return Response.json({
        is: request instanceof Request, url: request.url, method: request.method, headers: [...request.headers], body: await request.text(),
        env, params: context.params, ip: context.ip, id: context.invocationId, signal: request.signal === context.signal,
      }, { status: 201 });
    },
    empty: () => new Response(null, { status: 204 }),
    cookies: () => new Response('x', { headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['connection', 'close']] }),
    bytes: () => new Response(new Uint8Array([0, 255])),
    large: () => new Response('y'.repeat(500_000)),
    notAResponse: () => ({ a: 1 }),
    nothing: () => {},
    used: async () => { const response = new Response('x'); await response.text(); return response; },
    throws: async () => { throw new RangeError('no'); },
    like: () => ({ status: 200, headers: new Map([['x-like', 'yes']]), body: 'own', arrayBuffer: async () => new TextEncoder().encode('alike').buffer }),
    sse: () => new Response(new ReadableStream({
      async start(c) { for (let n = 0; n < 3; n += 1) { c.enqueue(Buffer.from('data: ' + n + '\\n\\n')); await new Promise((r) => setTimeout(r, 30)); } c.close(); },
    }), { headers: { 'content-type': 'text/event-stream' } }),
    breaks: () => new Response(new ReadableStream({ async pull(c) { c.enqueue(Buffer.from('half')); await new Promise((r) => setTimeout(r, 30)); c.error(new Error('broken pipe')); } }, { highWaterMark: 0 })),
    slowStart: () => new Response(new ReadableStream({ start(c) { setTimeout(() => { c.enqueue(Buffer.from('at last')); c.close(); }, 50); } })),
    waits(request, env, context) {
      context.passThroughOnException();
      context.waitUntil(new Promise((resolve) => setTimeout(resolve, 30)));
      return new Response('first');
    },
  };
  export default {
    fetch(request, env, context) { return routes[new URL(request.url).pathname.slice(1)](request, env, context); },
  };`;

/** @type {Manager} */
let manager;
before(async () => {
  manager = await Manager.serving(MODULE, { environment: { A: 'b' } });
});
after(() => manager.stop());

/** @param {string} name @param {object} [http] @param {string} [body] */
const call = (name, http = {}, body = '') => manager.call({ target: `/${name}`, ...http }, body);

describe('fetch', { concurrency: true }, () => {
  it('gets a standard Request, the environment and a context', async () => {
    const http = { method: 'POST', target: '/request?a=1', headers: [['X-B', '2']], params: { id: '7' } };
    const answer = await call('request', http, 'grüß');
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.json, {
      is: true,
      url: 'http://example.org/request?a=1',
      method: 'POST',
      headers: [['x-b', '2']],
      body: 'grüß',
      env: { A: 'b' },
      params: { id: '7' },
      ip: '192.0.2.7',
      id: httpHead().id,
      signal: true,
    });
  });

  it('gets no body with a GET, as the standard says', async () => {
    assert.equal((await call('request', {}, 'body')).json.body, '');
  });

  it('answers without a body', async () => {
    const answer = await call('empty');
    assert.equal(answer.status, 204);
    assert.equal(answer.body.length, 0);
    assert.equal(answer.frames.length, 1);
  });

  it('answers in one frame when the body is there', async () => {
    assert.deepEqual([...(await call('bytes')).body], [0, 255]);
    assert.equal((await call('bytes')).frames.length, 1);
  });

  it('keeps repeated cookies and drops what is between neighbours', async () => {
    const answer = await call('cookies');
    assert.deepEqual(answer.headers('set-cookie'), ['a=1', 'b=2']);
    assert.equal(answer.header('connection'), null);
  });

  it('answers with a large body', async () => {
    assert.equal((await call('large')).body.length, 500_000);
  });

  it('takes what only looks like a Response', async () => {
    const answer = await call('like');
    assert.equal(answer.text, 'alike');
    assert.equal(answer.header('x-like'), 'yes');
  });

  it('sends events one by one', async () => {
    const { frames, text } = await call('sse');
    assert.equal(text, 'data: 0\n\ndata: 1\n\ndata: 2\n\n');
    const parts = frames.map(({ body }) => body.toString()).filter((part) => part !== '');
    assert.deepEqual(parts, ['data: 0\n\n', 'data: 1\n\n', 'data: 2\n\n']);
  });

  it('sends the head before a body that is slow to begin', async () => {
    const { frames, text } = await call('slowStart');
    assert.equal(text, 'at last');
    assert.equal(frames[0].type, 'RESPONSE');
    assert.equal(frames[0].body.length, 0);
  });

  it('tells that a body broke', async () => {
    const answer = await call('breaks');
    assert.equal(answer.status, 200);
    assert.equal(answer.text, 'half');
    assert.equal(answer.failed.message, 'broken pipe');
  });

  it('may go on after its answer', async () => {
    const answer = await call('waits');
    assert.deepEqual(answer.frames.map(({ type }) => type), ['RESPONSE', 'SETTLED']);
  });

  it('must return a Response', async () => {
    assert.match((await call('notAResponse')).failed.message, /it returned an Object/);
    assert.match((await call('nothing')).failed.message, /it returned undefined/);
    assert.equal((await call('used')).failed.code, 'bad-response');
  });

  it('may throw', async () => {
    const { failed } = await call('throws');
    assert.equal(failed.name, 'RangeError');
    assert.match(failed.stack, /index\.mjs/);
  });
});

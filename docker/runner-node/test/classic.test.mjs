// The first dialect: what `request` and `response` do, and what becomes of an answer.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { httpHead } from './support/heads.mjs';
import { Manager } from './support/manager.mjs';

/** Each export of this module is a handler; the path of a request says which. */
const HANDLERS = `
  const handlers = {
    request(request, response) {
      response.json({
        type: request.type(), name: request.name(), method: request.method(), path: request.path(),
        header: request.header('X-Twice'), none: request.header('nope'), cookie: request.header('cookie'),
        query: request.query('Mixed'), lower: request.query('mixed'), queries: request.queries('a'), noQueries: request.queries('z'),
        param: request.param('id'), noParam: request.param('toString'), ip: request.ip(), id: request.invocationId(),
        attempt: request.attempt(), headers: [...request.headers()], aborted: request.signal.aborted,
      });
    },
    body(request, response) {
      response.json({ text: request.text(), json: request.json(), data: request.data().toString('hex') });
    },
    async standard(request, response) {
      const web = request.getHttpRequest();
      response.json({ is: web instanceof Request, url: web.url, method: web.method, type: web.headers.get('content-type'), body: await web.json(), same: web === request.getHttpRequest() });
    },
    badJson: (request) => request.json(),
    text: (request, response) => response.text('grüß', 201),
    json: (request, response) => response.status(202).json({ a: 'ä' }),
    overwrite: (request, response) => response.json({ first: 1 }, 500).text('second'),
    redirect: (request, response) => response.redirect('/there'),
    found: (request, response) => response.redirect('https://example.org/', 302),
    headers(request, response) {
      response.header('X-One', 1).header('x-one', 'again').appendHeader('x-list', 'a').appendHeader('X-List', 'b')
        .header('connection', 'close, x-private').header('x-private', 'y').header('transfer-encoding', 'chunked')
        .header('content-type', 'application/problem+json').json({});
    },
    cookies(request, response) {
      response.cookie('a', '1').cookie('b', 'zwei;', { httpOnly: true, secure: true, sameSite: 'lax', maxAge: 60, path: '/x' })
        .header('x', 'y').status(204);
    },
    chunks: (request, response) => response.chunk(Buffer.from('a')).chunk('b').chunk(new Uint8Array([99])),
    reused(request, response) {
      const buffer = Buffer.from('1');
      response.chunk(buffer);
      buffer[0] = 0x32;
      response.chunk(buffer);
    },
    large: (request, response) => response.text('x'.repeat(1_000_000)),
    nothing() {},
    async nothingLater() { await null; },
    returnsObject: async () => ({ plain: true }),
    returnsList: () => [1, 2],
    returnsNull: () => null,
    returnsNumber: () => 42,
    returnsResponse: () => new Response('web', { status: 203, headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] }),
    returnsStream: () => new Response(new ReadableStream({ async start(c) { c.enqueue(Buffer.from('1')); await null; c.enqueue(Buffer.from('2')); c.close(); } })),
    returnsBesides(request, response) { response.text('said'); return { ignored: true }; },
    badStatus: (request, response) => response.status(99),
    badName: (request, response) => response.header('a b', 'c'),
    badValue: (request, response) => response.header('a', 'b\\r\\nset-cookie: x'),
    hugeHeaders: (request, response) => response.header('a', 'x'.repeat(70_000)),
    notJson: (request, response) => response.json(undefined),
    async tooLate(request, response) { await response.end('done'); response.text('again'); },
    async context(request, response, context) {
      response.json({ env: context.env, frozen: Object.isFrozen(context.env), id: context.invocationId, attempt: context.attempt,
        params: context.params, ip: context.ip, trigger: context.trigger, same: context.signal === request.signal });
    },
    async later(request, response, context) {
      response.text('first');
      context.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('worked on'); resolve(); }, 50)));
    },
    async laterFails(request, response, context) {
      response.text('first');
      context.waitUntil(Promise.reject(new Error('too bad')));
    },
  };
  export const handler = (request, response, context) => handlers[request.path().slice(1)](request, response, context);`;

/** @type {Manager} */
let manager;
before(async () => {
  manager = await Manager.serving(HANDLERS, { environment: { A: 'b' } });
});
after(() => manager.stop());

/** @param {string} name @param {object} [http] @param {string} [body] */
const call = (name, http = {}, body = '') => manager.call({ target: `/${name}`, ...http }, body);

describe('a request', { concurrency: true }, () => {
  it('tells everything about itself', async () => {
    const head = httpHead({
      target: '/request?Mixed=1&a=x%20y&a=%C3%A4',
      headers: [
        ['x-twice', '1'],
        ['x-twice', '2'],
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ],
      params: { id: '7' },
    });
    head.attempt = 3;
    head.trigger.name = /** @type {any} */ ('hello');
    const { json } = await manager.answer(manager.invoke(head));
    assert.deepEqual(json, {
      type: 'http',
      name: 'hello',
      method: 'GET',
      path: '/request',
      header: '1, 2',
      none: null,
      cookie: 'a=1; b=2',
      query: '1',
      lower: null,
      queries: ['x y', 'ä'],
      noQueries: [],
      param: '7',
      noParam: null,
      ip: '192.0.2.7',
      id: head.id,
      attempt: 3,
      headers: [
        ['cookie', 'a=1; b=2'],
        ['x-twice', '1, 2'],
      ],
      aborted: false,
    });
  });

  it('has its body as text, as JSON and as bytes', async () => {
    const { json } = await call('body', { method: 'POST' }, '{"ä":1}');
    assert.deepEqual(json, { text: '{"ä":1}', json: { ä: 1 }, data: Buffer.from('{"ä":1}').toString('hex') });
  });

  it('fails clearly when its body is not JSON', async () => {
    const { failed } = await call('badJson', {}, 'nope');
    assert.equal(failed.code, 'bad-json');
    assert.match(failed.message, /the body is not JSON/);
  });

  it('is also a standard Request', async () => {
    const http = { method: 'PUT', scheme: 'https', authority: 'a.example:8443', headers: [['content-type', 'application/json']] };
    const { json } = await call('standard', http, '{"a":1}');
    const url = 'https://a.example:8443/standard';
    assert.deepEqual(json, { is: true, url, method: 'PUT', type: 'application/json', body: { a: 1 }, same: true });
  });
});

describe('a response', { concurrency: true }, () => {
  /** @type {[string, number, string | null, string][]} */
  const simple = [
    ['text', 201, 'text/plain; charset=utf-8', 'grüß'],
    ['json', 202, 'application/json; charset=utf-8', '{"a":"ä"}'],
    ['overwrite', 200, 'text/plain; charset=utf-8', 'second'],
    ['redirect', 303, null, ''],
    ['found', 302, null, ''],
    ['chunks', 200, null, 'abc'],
    ['reused', 200, null, '12'],
    ['nothing', 200, null, ''],
    ['nothingLater', 200, null, ''],
    ['returnsObject', 200, 'application/json; charset=utf-8', '{"plain":true}'],
    ['returnsList', 200, 'application/json; charset=utf-8', '[1,2]'],
    ['returnsNull', 200, null, ''],
    ['returnsNumber', 200, null, ''],
    ['returnsResponse', 203, 'text/plain;charset=UTF-8', 'web'],
    ['returnsStream', 200, null, '12'],
    ['returnsBesides', 200, 'text/plain; charset=utf-8', 'said'],
  ];
  for (const [name, status, type, body] of simple) {
    it(`answers: ${name}`, async () => {
      const answer = await call(name);
      assert.equal(answer.failed, null);
      assert.equal(answer.status, status);
      assert.equal(answer.header('content-type'), type);
      assert.equal(answer.text, body);
    });
  }

  it('is one frame when it fits', async () => {
    for (const name of ['text', 'json', 'returnsResponse']) assert.equal((await call(name)).frames.length, 1);
  });

  it('may be large', async () => {
    const answer = await call('large');
    assert.equal(answer.body.length, 1_000_000);
    assert.ok(answer.frames.every(({ body }) => body.length <= 65_536));
  });

  it('says where to go', async () => {
    assert.equal((await call('redirect')).header('location'), '/there');
    assert.equal((await call('found')).header('location'), 'https://example.org/');
  });

  it('keeps repeated headers and drops those between neighbours', async () => {
    const { head } = await call('headers');
    assert.deepEqual(head.headers, [
      ['x-one', 'again'],
      ['x-list', 'a'],
      ['x-list', 'b'],
      ['content-type', 'application/problem+json'],
    ]);
    assert.deepEqual((await call('returnsResponse')).headers('set-cookie'), ['a=1', 'b=2']);
  });

  it('sets cookies', async () => {
    const answer = await call('cookies');
    assert.equal(answer.status, 204);
    assert.deepEqual(answer.headers('set-cookie'), [
      'a=1; Path=/',
      'b=zwei%3B; Path=/x; Max-Age=60; HttpOnly; Secure; SameSite=Lax',
    ]);
  });

  /** @type {[string, string][]} */
  const mistakes = [
    ['badStatus', 'bad-status'],
    ['badName', 'bad-header'],
    ['badValue', 'bad-header'],
    ['hugeHeaders', 'headers-too-large'],
    ['notJson', 'bad-body'],
  ];
  for (const [name, code] of mistakes) {
    it(`is the handler's error: ${name}`, async () => {
      const { failed } = await call(name);
      assert.equal(failed.code, code);
      assert.equal(failed.name, 'JobberError');
    });
  }

  it('cannot be changed once it was sent, and what was sent stands', async () => {
    const answer = await call('tooLate');
    assert.equal(answer.text, 'done');
    assert.equal(answer.failed.code, 'already-answered');
  });
});

describe('a context', { concurrency: true }, () => {
  it('tells what belongs to the invocation', async () => {
    const { json } = await call('context', { params: { id: '7' } });
    const { id } = httpHead();
    const expected = { env: { A: 'b' }, frozen: true, id, attempt: 1, params: { id: '7' }, ip: '192.0.2.7', trigger: null, same: true };
    assert.deepEqual(json, expected);
  });

  it('keeps the invocation open for what goes on after the answer', async () => {
    const answer = await call('later');
    assert.equal(answer.text, 'first');
    assert.deepEqual(answer.frames.map(({ type }) => type), ['RESPONSE', 'SETTLED']);
    assert.equal(answer.frames[0].flags, 1);
    await manager.log('worked on');
  });

  it('tells when that fails, and the answer stands', async () => {
    const answer = await call('laterFails');
    assert.equal(answer.failed.message, 'too bad');
  });
});

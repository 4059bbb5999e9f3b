// The examples that users copy, run as they are.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { httpHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

/** @param {string} name */
function example(name) {
  const folder = new URL(`../../../examples/${name}/`, import.meta.url);
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(names.map(({ name: file }) => [file, readFileSync(new URL(file, folder))]));
}

/** @param {string | null} trigger @param {object} http */
function triggered(trigger, http) {
  const head = httpHead(http);
  head.trigger.name = /** @type {any} */ (trigger);
  return head;
}

describe('examples/hello-http', { concurrency: true }, () => {
  it('says hello', async (t) => {
    const manager = await serving(t, example('hello-http'), { main: './index.js' });
    /** @param {object} http @param {string} [body] */
    const call = async (http, body) => manager.answer(manager.invoke(triggered('hello', http), { body }));
    assert.deepEqual((await call({})).json, { message: 'Hello, world!', trigger: 'hello' });
    assert.equal((await call({ target: '/hello?name=Ada' })).json.message, 'Hello, Ada!');
    assert.equal((await call({ params: { name: 'Grace' } })).json.message, 'Hello, Grace!');
    assert.equal((await call({ method: 'POST' }, '{"name":"Alan"}')).json.message, 'Hello, Alan!');
    assert.equal((await call({ method: 'POST' }, 'nonsense')).status, 400);
    assert.equal((await call({ method: 'POST' }, '{}')).status, 400);
    await manager.log('saying hello to Grace');
  });
});

describe('examples/web-standard', { concurrency: true }, () => {
  it('counts, hashes and echoes', async (t) => {
    const manager = await serving(t, example('web-standard'), { main: './index.js' });
    /** @param {string} trigger @param {object} http @param {string} [body] */
    const call = async (trigger, http, body) => manager.answer(manager.invoke(triggered(trigger, http), { body }));
    const counted = await call('count', { target: '/web/count?to=3&interval=10' });
    assert.equal(counted.header('content-type'), 'text/event-stream');
    assert.equal(counted.text, 'id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3\n\n');
    const sha256 = createHash('sha256').update('grüß').digest('hex');
    assert.deepEqual((await call('hash', { method: 'POST' }, 'grüß')).json, { sha256, bytes: 6 });
    const echoed = await call('echo', { method: 'PUT', headers: [['content-type', 'text/plain']] }, 'back');
    assert.equal(echoed.text, 'back');
    assert.equal(echoed.header('content-type'), 'text/plain');
  });

  it('stops counting when nobody listens', async (t) => {
    const manager = await serving(t, example('web-standard'), { main: './index.js' });
    const stream = manager.invoke(triggered('count', { target: '/web/count?to=1000&interval=10000' }));
    await manager.next('RESPONSE', stream);
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    await manager.answer(stream);
  });
});

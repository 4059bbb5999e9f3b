// The store, over CALL and RESULT.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serving } from './support/serve.mjs';

/** @typedef {import('./support/manager.mjs').Manager} Manager */

/** Calls the method of `context` that the body names, and answers with what it returned or threw. */
const MODULE = `
  export async function handler(request, response, context) {
    const [method, ...args] = request.json();
    try {
      const value = await context[method](...args.map((arg) => arg?.letters ? 'x'.repeat(arg.letters) : arg));
      if (Buffer.isBuffer(value?.value)) value.value = value.value.toString('hex');
      response.json({ value: value ?? null });
    } catch (error) {
      response.json({ name: error.name, code: error.code, message: error.message });
    }
  }`;

const TIMES = { expiry: null, created: 1_767_225_600, modified: 1_767_225_660 };

/**
 * Calls a method and answers what it asks the manager.
 * @param {Manager} manager
 * @param {unknown[]} call
 * @param {{head: object, body?: string | Buffer}[]} results
 */
async function ask(manager, call, results) {
  const stream = manager.invoke(undefined, { body: JSON.stringify(call) });
  const asked = [];
  for (const result of results) {
    const frame = await manager.next('CALL');
    asked.push({ head: frame.head, body: frame.body.toString() });
    manager.send('RESULT', { stream: frame.stream, ...result });
  }
  return { asked, answer: (await manager.answer(stream)).json };
}

describe('the store', { concurrency: true }, () => {
  it('sets', async (t) => {
    const manager = await serving(t, MODULE);
    const { asked, answer } = await ask(manager, ['setStore', 'k', 'grüß', { ttl: 60 }], [{ head: { ok: true, ...TIMES, expiry: 9 } }]);
    assert.deepEqual(asked, [{ head: { method: 'store.set', key: 'k', ttl: 60 }, body: 'grüß' }]);
    assert.deepEqual(answer.value, { key: 'k', value: 'grüß', ...TIMES, expiry: 9 });
    const json = await ask(manager, ['setStoreJson', 'k', { a: [1] }], [{ head: { ok: true, ...TIMES } }]);
    assert.deepEqual(json.asked, [{ head: { method: 'store.set', key: 'k' }, body: '{"a":[1]}' }]);
    assert.deepEqual(json.answer.value, { key: 'k', value: { a: [1] }, ...TIMES });
  });

  it('gets text, JSON, bytes, or nothing', async (t) => {
    const manager = await serving(t, MODULE);
    const found = { head: { ok: true, found: true, ...TIMES }, body: '{"a":"ä"}' };
    const text = await ask(manager, ['getStore', 'k'], [found]);
    assert.deepEqual(text.asked, [{ head: { method: 'store.get', key: 'k' }, body: '' }]);
    assert.deepEqual(text.answer.value, { key: 'k', value: '{"a":"ä"}', ...TIMES });
    assert.deepEqual((await ask(manager, ['getStoreJson', 'k'], [found])).answer.value.value, { a: 'ä' });
    assert.equal((await ask(manager, ['getStoreBuffer', 'k'], [found])).answer.value.value, Buffer.from(found.body).toString('hex'));
    assert.equal((await ask(manager, ['getStore', 'k'], [{ head: { ok: true, found: false } }])).answer.value, null);
    const notJson = await ask(manager, ['getStoreJson', 'k'], [{ ...found, body: '{' }]);
    assert.equal(notJson.answer.code, 'bad-json');
  });

  it('deletes, and tells what it was to one of those who do', async (t) => {
    const manager = await serving(t, MODULE);
    const found = { head: { ok: true, found: true, ...TIMES }, body: '7' };
    const first = await ask(manager, ['deleteStoreJson', 'k'], [found, { head: { ok: true, found: true } }]);
    assert.deepEqual(first.asked.map(({ head }) => head.method), ['store.get', 'store.delete']);
    assert.deepEqual(first.answer.value, { key: 'k', value: 7, ...TIMES });
    const second = await ask(manager, ['deleteStore', 'k'], [found, { head: { ok: true, found: false } }]);
    assert.equal(second.answer.value, null);
    assert.equal((await ask(manager, ['deleteStore', 'k'], [{ head: { ok: true, found: false } }])).answer.value, null);
  });

  it('counts', async (t) => {
    const manager = await serving(t, MODULE);
    const { asked, answer } = await ask(manager, ['increment', 'n'], [{ head: { ok: true, value: 1 } }]);
    assert.deepEqual(asked, [{ head: { method: 'store.increment', key: 'n', by: 1 }, body: '' }]);
    assert.equal(answer.value, 1);
    const refused = await ask(manager, ['increment', 'n', -5, { ttl: 1 }], [{ head: { ok: false, code: 'not-a-number', message: 'no' } }]);
    assert.deepEqual(refused.asked[0].head, { method: 'store.increment', key: 'n', by: -5, ttl: 1 });
    assert.deepEqual(refused.answer, { name: 'JobberError', code: 'not-a-number', message: 'no' });
  });

  it('compares and sets', async (t) => {
    const manager = await serving(t, MODULE);
    const swapped = await ask(manager, ['compareAndSet', 'k', 'ä', 'new'], [{ head: { ok: true, swapped: true } }]);
    assert.deepEqual(swapped.asked, [{ head: { method: 'store.compareAndSet', key: 'k', expectedLength: 2 }, body: 'änew' }]);
    assert.equal(swapped.answer.value, true);
    const absent = await ask(manager, ['compareAndSet', 'k', null, 'new'], [{ head: { ok: true, swapped: false } }]);
    assert.deepEqual(absent.asked, [{ head: { method: 'store.compareAndSet', key: 'k', expectedLength: null }, body: 'new' }]);
    assert.equal(absent.answer.value, false);
  });

  it('lists', async (t) => {
    const manager = await serving(t, MODULE);
    const items = [{ key: 'a/1', size: 3, ...TIMES }];
    const page = { head: { ok: true }, body: JSON.stringify({ items, next: 'a/1' }) };
    const { asked, answer } = await ask(manager, ['list', 'a/', { limit: 1, after: 'a/0' }], [page]);
    assert.deepEqual(asked, [{ head: { method: 'store.list', prefix: 'a/', limit: 1, after: 'a/0' }, body: '' }]);
    assert.deepEqual(answer.value, { items, next: 'a/1' });
    const last = await ask(manager, ['list'], [{ head: { ok: true }, body: '{"items":[]}' }]);
    assert.deepEqual(last.answer.value, { items: [], next: null });
  });

  /** @type {[string, unknown[], string][]} */
  const mistakes = [
    ['no key', ['getStore'], 'bad-request'],
    ['an empty key', ['setStore', '', 'x'], 'bad-request'],
    ['a key that is too long', ['getStore', 'ä'.repeat(257)], 'bad-request'],
    ['a value that is neither text nor bytes', ['setStore', 'k', { a: 1 }], 'bad-request'],
    ['a value that is too large', ['setStore', 'k', { letters: 1_000_001 }], 'too-large'],
    ['a negative ttl', ['setStore', 'k', 'v', { ttl: -1 }], 'bad-request'],
    ['a ttl that is no number', ['setStore', 'k', 'v', { ttl: '60' }], 'bad-request'],
    ['half a step', ['increment', 'k', 0.5], 'bad-request'],
    ['a limit out of bounds', ['list', '', { limit: 0 }], 'bad-request'],
  ];
  it('refuses mistakes without asking', async (t) => {
    const manager = await serving(t, MODULE);
    for (const [what, call, code] of mistakes) {
      assert.equal((await ask(manager, call, [])).answer.code, code, what);
    }
    assert.equal(manager.take('CALL'), undefined);
  });

  it('carries values of a million bytes', async (t) => {
    const manager = await serving(
      t,
      `export const handler = async (request, response, context) => {
         await context.setStore('k', Buffer.alloc(1_000_000, 5));
         const { value } = await context.getStoreBuffer('k');
         response.json([value.length, value[999_999]]);
       };`,
    );
    const stream = manager.invoke();
    const set = await manager.next('CALL');
    assert.equal(set.body.length, 1_000_000);
    manager.send('RESULT', { stream: set.stream, head: { ok: true, ...TIMES } });
    const get = await manager.next('CALL');
    manager.send('RESULT', { stream: get.stream, head: { ok: true, found: true, ...TIMES }, body: set.body });
    assert.deepEqual((await manager.answer(stream)).json, [1_000_000, 5]);
  });

  it('has at most 64 calls open and answers in any order', async (t) => {
    const manager = await serving(
      t,
      `export const handler = async (request, response, context) => {
         const items = await Promise.all(Array.from({ length: 100 }, (_, n) => context.getStore('k' + n)));
         response.json(items.map((item) => item.value));
       };`,
    );
    const stream = manager.invoke();
    const calls = [];
    while (calls.length < 64) calls.push(await manager.next('CALL'));
    manager.send('PING');
    await manager.next('PONG');
    assert.equal(manager.take('CALL'), undefined);
    /** @param {import('./support/manager.mjs').Frame} call */
    const result = (call) => manager.send('RESULT', { stream: call.stream, head: { ok: true, found: true, ...TIMES }, body: call.head.key });
    for (const call of calls.reverse()) result(call);
    for (let n = 64; n < 100; n += 1) result(await manager.next('CALL'));
    assert.deepEqual((await manager.answer(stream)).json, Array.from({ length: 100 }, (_, n) => `k${n}`));
  });
});

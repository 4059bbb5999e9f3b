// The examples that users copy, run as they are.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TRIGGER, httpHead, mqttHead, scheduleHead } from './support/heads.mjs';
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

describe('examples/mqtt-echo', { concurrency: true }, () => {
  it('publishes what came, and answers who asks', async (t) => {
    const manager = await serving(t, example('mqtt-echo'), { main: './index.js' });
    const plain = manager.invoke(mqttHead({ topic: 'echo/request/a/b', qos: 0 }), { body: '21.5' });
    const echo = await manager.published();
    assert.deepEqual(echo.message, { topic: 'echo/response/a/b', qos: 0, retain: false, trigger: TRIGGER });
    assert.equal(echo.body.toString(), '21.5');
    manager.acknowledge(echo);
    assert.equal((await manager.answer(plain)).failed, null);
    await manager.log('echo/request/a/b (QoS 0): 4 bytes');

    /** @type {import('../src/mqtt.mjs').WireProperties} */
    const properties = { contentType: 'text/plain', responseTopic: 'answers/1', correlationData: 'AP8H', userProperties: [['a', 'b']] };
    const asking = manager.invoke(mqttHead({ topic: 'echo/request' }, properties), { body: Buffer.from([0xff]) });
    const again = await manager.published();
    assert.equal(again.message.topic, 'echo/response');
    assert.deepEqual(again.message.properties, { contentType: 'text/plain', userProperties: [['a', 'b']] });
    manager.acknowledge(again);
    const answer = await manager.published();
    assert.deepEqual(answer.message, { topic: 'answers/1', qos: 1, retain: false, properties: { correlationData: 'AP8H' }, trigger: TRIGGER });
    assert.deepEqual([...answer.body], [0xff]);
    manager.acknowledge(answer);
    assert.equal((await manager.answer(asking)).failed, null);
  });
});

describe('examples/schedule-report', { concurrency: true }, () => {
  it('reports, and shows the last reports', async (t) => {
    const manager = await serving(t, example('schedule-report'), { main: './index.js' });
    const minute = Date.UTC(2026, 0, 1, 6, 30);
    /** @type {Map<string, Buffer>} */
    const store = new Map();
    const times = { expiry: null, created: 1_767_225_600, modified: 1_767_225_600 };

    for (let n = 0; n < 12; n += 1) {
      const stream = manager.invoke(triggeredAt(new Date(minute + n * 10_000)));
      const { head, body, stream: call } = await manager.next('CALL');
      assert.equal(head.method, 'store.set');
      assert.equal(head.ttl, 600);
      store.set(head.key, body);
      manager.send('RESULT', { stream: call, head: { ok: true, ...times } });
      assert.equal((await manager.answer(stream)).failed, null);
    }
    const { head: log } = await manager.log('reported');
    assert.equal(log.level, 'info');
    assert.ok(log.fields.lateMs > 0);

    const stream = manager.invoke(triggered('reports', { target: '/report' }));
    const listing = await manager.next('CALL');
    assert.deepEqual(listing.head, { method: 'store.list', prefix: 'report/', limit: 100 });
    const items = [...store].map(([key, value]) => ({ key, size: value.length, ...times }));
    manager.send('RESULT', { stream: listing.stream, head: { ok: true }, body: JSON.stringify({ items, next: null }) });
    for (let n = 0; n < 10; n += 1) {
      const { head, stream: call } = await manager.next('CALL');
      // The oldest of them has expired meanwhile.
      const found = n < 9;
      manager.send('RESULT', { stream: call, head: { ok: true, found, ...times }, body: found ? store.get(head.key) : '' });
    }
    const { reports } = (await manager.answer(stream)).json;
    const shown = reports.map((/** @type {any} */ { scheduledAt }) => Date.parse(scheduledAt));
    assert.deepEqual(shown, Array.from({ length: 9 }, (_, n) => minute + (11 - n) * 10_000));
    assert.equal(reports[0].attempt, 1);
    assert.ok(reports[0].lateMs > 0);
  });
});

/** @param {Date} at */
function triggeredAt(at) {
  const head = scheduleHead(at.toISOString());
  head.trigger.name = 'report';
  return head;
}

// Publishing MQTT messages: what is sent, what waits for it, and what becomes of failures.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TRIGGER, httpHead, mqttHead, scheduleHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

/** @typedef {import('./support/manager.mjs').Manager} Manager */

/** A handler whose request says which of these is called. @param {string} handlers */
const classic = (handlers) => `
  const handlers = { ${handlers} };
  export const handler = (request, response, context) => handlers[request.path().slice(1)](request, response, context);`;

/** @param {Manager} manager @param {string} name */
const call = (manager, name) => manager.invoke(httpHead({ target: `/${name}` }));

/** Takes a frame that is not the invocation's last. @param {import('./support/manager.mjs').Frame} frame */
const unsettled = ({ flags }) => (flags & 2) === 0;

describe('a message', { concurrency: true }, () => {
  it('carries everything that was said about it', async (t) => {
    const manager = await serving(
      t,
      classic(`
        full: (request, response, context) => context.publish('küche/licht', '21.5', {
          qos: 2, retain: true, contentType: 'text/plain', responseTopic: 'answers/7', correlationData: Buffer.from([0, 255, 7]),
          messageExpiryInterval: 4_294_967_295, userProperties: { trace: ['ä', ''], n: 7, ['__proto__']: 'x' },
        }),
        text: (request, response, context) => context.publish('a', 'b', { correlationData: 'ä', contentType: null, userProperties: undefined }),
        bare: (request, response, context) => context.publish('a/b', '', { qos: 0 }),
        plain: (request, response, context) => context.publish('a/b', ''),`),
    );
    /** @type {[string, object, string][]} */
    const expected = [
      [
        'full',
        {
          topic: 'küche/licht',
          qos: 2,
          retain: true,
          properties: {
            contentType: 'text/plain',
            responseTopic: 'answers/7',
            correlationData: 'AP8H',
            messageExpiryInterval: 4_294_967_295,
            userProperties: [
              ['trace', 'ä'],
              ['trace', ''],
              ['n', '7'],
              ['__proto__', 'x'],
            ],
          },
        },
        '21.5',
      ],
      ['text', { topic: 'a', qos: 1, retain: false, properties: { correlationData: 'w6Q=' } }, 'b'],
      ['bare', { topic: 'a/b', qos: 0, retain: false }, ''],
      ['plain', { topic: 'a/b', qos: 1, retain: false }, ''],
    ];
    for (const [name, head, body] of expected) {
      const stream = call(manager, name);
      const published = await manager.published();
      assert.deepEqual(published.message, head);
      assert.equal(published.body.toString(), body);
      manager.acknowledge(published);
      assert.equal((await manager.answer(stream)).failed, null);
    }
  });

  /** @type {[string, string][]} the body in the source, the payload in hex */
  const bodies = [
    ["'grüß'", Buffer.from('grüß').toString('hex')],
    ["''", ''],
    ['Buffer.from([0, 255])', '00ff'],
    ['new Uint8Array([1, 2, 3]).subarray(1)', '0203'],
    ['new Uint16Array([0x0201]).fill(0x0101)', '0101'],
    ['new Uint8Array([4, 5]).buffer', '0405'],
    ['new DataView(new Uint8Array([6, 7]).buffer, 1)', '07'],
    ['{ a: ["ä"] }', Buffer.from('{"a":["ä"]}').toString('hex')],
    ['[1, null]', Buffer.from('[1,null]').toString('hex')],
    ['21.5', Buffer.from('21.5').toString('hex')],
    ['false', Buffer.from('false').toString('hex')],
    ['null', Buffer.from('null').toString('hex')],
    ['{ toJSON: () => "made" }', Buffer.from('"made"').toString('hex')],
  ];
  it('has a body of text, of bytes, or of JSON', async (t) => {
    const list = bodies.map(([source]) => `context.publish('t', ${source})`).join(', ');
    const manager = await serving(t, classic(`all: (request, response, context) => Promise.all([${list}]).then(() => undefined)`));
    const stream = call(manager, 'all');
    for (const [source, hex] of bodies) {
      const published = await manager.published();
      assert.equal(published.body.toString('hex'), hex, source);
      assert.deepEqual(published.message, { topic: 't', qos: 1, retain: false });
      manager.acknowledge(published);
    }
    assert.equal((await manager.answer(stream)).status, 200);
  });

  it('is not harmed by a buffer that is used again', async (t) => {
    const manager = await serving(
      t,
      classic(`reuse(request, response, context) {
        const buffer = Buffer.alloc(20_000);
        for (let n = 1; n <= 3; n += 1) { buffer.fill(n); context.publish('a', buffer); context.publish('a', buffer.buffer); }
      }`),
    );
    const stream = call(manager, 'reuse');
    const seen = [];
    for (let n = 0; n < 6; n += 1) {
      const published = await manager.published();
      seen.push(published.body[0], published.body[19_999]);
      manager.acknowledge(published);
    }
    assert.deepEqual(seen, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    await manager.answer(stream);
  });

  it('may have a million bytes', async (t) => {
    const manager = await serving(t, classic("large: (request, response, context) => context.publish('a', Buffer.alloc(1_000_000, 5))"));
    const stream = call(manager, 'large');
    const published = await manager.published();
    assert.equal(published.body.length, 1_000_000);
    assert.equal(published.body[999_999], 5);
    manager.acknowledge(published);
    await manager.answer(stream);
  });

  const CLASSIC = `export const handler = async (request, response, context) => {
    await context.publish('seen', request.type());
    if (request.type() === 'mqtt') await response.publish('answered', 'too', { qos: 2 });
  };`;
  const WEB = `export default {
    async fetch(request, env, context) { await context.publish('seen', 'http'); return new Response(); },
    async scheduled(event, env, context) { await context.publish('seen', 'schedule'); },
    async mqtt(message, env, context) { await context.publish('seen', 'mqtt'); await context.publish('answered', 'too', { qos: 2 }); },
  };`;
  for (const [dialect, module] of [
    ['classic', CLASSIC],
    ['web-standard', WEB],
  ]) {
    it(`can be published in every kind of invocation, and tells where one came from: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      for (const head of [httpHead(), scheduleHead(), mqttHead()]) {
        const trigger = head.kind === 'mqtt' ? { trigger: TRIGGER } : {};
        const stream = manager.invoke(head);
        const seen = await manager.published();
        assert.deepEqual(seen.message, { topic: 'seen', qos: 1, retain: false, ...trigger });
        assert.equal(seen.body.toString(), head.kind);
        manager.acknowledge(seen);
        if (head.kind === 'mqtt') {
          const answered = await manager.published();
          assert.deepEqual(answered.message, { topic: 'answered', qos: 2, retain: false, ...trigger });
          manager.acknowledge(answered);
        }
        assert.equal((await manager.answer(stream)).failed, null);
      }
    });
  }
});

describe('an acknowledgement', { concurrency: true }, () => {
  it('is what the promise waits for', async (t) => {
    const manager = await serving(
      t,
      classic("waits: async (request, response, context) => { response.json({ is: (await context.publish('a', 'b')) ?? null }); }"),
    );
    const stream = call(manager, 'waits');
    const published = await manager.published();
    await manager.quiet();
    assert.equal(manager.take('RESPONSE', stream), undefined);
    manager.acknowledge(published);
    assert.deepEqual((await manager.answer(stream)).json, { is: null });
  });

  it('is what the invocation waits for, also if nobody has the promise', async (t) => {
    const manager = await serving(t, classic("forgets: (request, response, context) => { context.publish('a', 'b'); response.text('sent'); }"));
    const stream = call(manager, 'forgets');
    const published = await manager.published();
    assert.ok(unsettled(await manager.next('RESPONSE', stream)), 'the answer does not wait');
    await manager.quiet();
    assert.equal(manager.take('SETTLED', stream), undefined);
    manager.acknowledge(published);
    await manager.next('SETTLED', stream);
  });

  it('is waited for where one message follows from another', async (t) => {
    const module = "export const handler = (request, response) => { response.publish('one', '').then(() => response.publish('two', '')); };";
    const manager = await serving(t, module);
    const stream = manager.invoke(mqttHead());
    manager.acknowledge(await manager.published());
    const second = await manager.published();
    assert.equal(second.message.topic, 'two');
    await manager.quiet();
    assert.equal(manager.take('SETTLED', stream), undefined);
    manager.acknowledge(second);
    await manager.next('SETTLED', stream);
  });
});

describe('the order of messages', { concurrency: true }, () => {
  it('is that of publishing, however many there are and whenever they are acknowledged', async (t) => {
    const manager = await serving(
      t,
      classic(`many: async (request, response, context) => {
        const all = Array.from({ length: 200 }, (_, n) => context.publish('n/' + n, Buffer.alloc(n % 3 === 0 ? 20_000 : 3)));
        await Promise.all(all);
        response.text('all');
      }`),
    );
    const stream = call(manager, 'many');
    const open = [];
    const seen = [];
    for (let n = 0; n < 200; n += 1) {
      // The one that came last is acknowledged first.
      if (open.length === 64) manager.acknowledge(/** @type {any} */ (open.pop()));
      const published = await manager.published();
      open.push(published);
      seen.push(published.message.topic);
    }
    assert.deepEqual(seen, Array.from({ length: 200 }, (_, n) => `n/${n}`));
    assert.equal(open.length, 64);
    await manager.quiet();
    assert.equal(manager.take('RESPONSE', stream), undefined);
    for (const published of open) manager.acknowledge(published);
    assert.equal((await manager.answer(stream)).text, 'all');
  });

  it('holds among calls to the store and several invocations', async (t) => {
    const manager = await serving(
      t,
      classic(`both(request, response, context) {
        for (let n = 0; n < 40; n += 1) { context.getStore('k').catch(() => {}); context.publish(request.query('as') + n, ''); }
      }`),
    );
    const streams = ['a', 'b'].map((as) => manager.invoke(httpHead({ target: `/both?as=${as}` })));
    const seen = [];
    for (let n = 0; n < 160; n += 1) {
      const { head, stream } = await manager.next('CALL');
      if (head.method === 'mqtt.publish') seen.push(head.topic);
      manager.send('RESULT', { stream, head: { ok: true, found: false } });
    }
    assert.deepEqual(seen, ['a', 'b'].flatMap((as) => Array.from({ length: 40 }, (_, n) => as + n)));
    for (const stream of streams) assert.equal((await manager.answer(stream)).failed, null);
  });
});

describe('a message that is refused', { concurrency: true }, () => {
  const HANDLERS = `
    awaited: async (request, response, context) => { await context.publish('a', 'b'); response.text('never'); },
    forgotten: (request, response, context) => { context.publish('a', 'b'); response.text('sent'); },
    forgottenLater: async (request, response, context) => { await null; context.publish('a', 'b'); response.text('sent'); },
    forgottenInside: (request, response, context) => { (async () => { await context.publish('a', 'b'); })(); response.text('sent'); },
    half: (request, response, context) => { context.publish('a', 'b').then(() => {}); response.text('sent'); },
    waitUntil: (request, response, context) => { context.waitUntil(context.publish('a', 'b')); response.text('sent'); },
    caught: async (request, response, context) => {
      try { await context.publish('a', 'b'); } catch (error) { response.json({ name: error.name, code: error.code, message: error.message }); }
    },
    caughtOutside: (request, response, context) => { context.publish('a', 'b').catch(() => console.log('caught it')); response.text('sent'); },
    late: async (request, response, context) => {
      const sent = context.publish('a', 'b');
      await context.getStore('k');
      await sent.catch(() => {});
      response.text('never');
    },
    settled: async (request, response, context) => { response.json(await Promise.allSettled([context.publish('a', 'b')])); },`;

  for (const name of ['awaited', 'forgotten', 'forgottenLater', 'forgottenInside', 'half', 'waitUntil']) {
    it(`fails the invocation if nobody handles it: ${name}`, async (t) => {
      const manager = await serving(t, classic(HANDLERS));
      const stream = call(manager, name);
      manager.refuse(await manager.published(), 'mqtt-refused', 'not authorised');
      const { failed, frames } = await manager.answer(stream);
      assert.deepEqual([failed.name, failed.code, failed.message], ['JobberError', 'mqtt-refused', 'not authorised']);
      assert.deepEqual(frames.map(({ type }) => type), name === 'awaited' ? ['FAILED'] : ['RESPONSE', 'FAILED']);
      assert.deepEqual(manager.logs, []);
    });
  }

  for (const name of ['caught', 'caughtOutside', 'settled']) {
    it(`is the function's own matter if it handles it: ${name}`, async (t) => {
      const manager = await serving(t, classic(HANDLERS));
      const stream = call(manager, name);
      manager.refuse(await manager.published(), 'mqtt-unavailable', 'the broker is gone');
      const answer = await manager.answer(stream);
      assert.equal(answer.failed, null);
      if (name === 'caught') assert.deepEqual(answer.json, { name: 'JobberError', code: 'mqtt-unavailable', message: 'the broker is gone' });
      if (name === 'caughtOutside') await manager.log('caught it');
    });
  }

  it('is not handled by a handler that comes too late, as with any promise', async (t) => {
    const manager = await serving(t, classic(HANDLERS));
    const stream = call(manager, 'late');
    manager.refuse(await manager.published(), 'mqtt-refused');
    assert.equal((await manager.answer(stream)).failed.code, 'mqtt-refused');
  });

  it('fails the invocation of the message that caused it, and no other', async (t) => {
    const module = `export const handler = async (request, response) => {
      if (request.topic() === 'bad') response.publish('a', 'b');
      else await response.publish('c', 'd');
    };`;
    const manager = await serving(t, module);
    const bad = manager.invoke(mqttHead({ topic: 'bad' }));
    const good = manager.invoke(mqttHead({ topic: 'good' }));
    const [first, second] = [await manager.published(), await manager.published()];
    manager.refuse(first, 'mqtt-refused');
    const { failed, frames } = await manager.answer(bad);
    assert.equal(failed.code, 'mqtt-refused');
    assert.equal(frames.length, 1);
    manager.acknowledge(second);
    assert.equal((await manager.answer(good)).failed, null);
  });
});

describe('what cannot be published', { concurrency: true }, () => {
  /** @type {[string, string, RegExp][]} the arguments in the source, the code, the message */
  const mistakes = [
    ["7, 'b'", 'bad-request', /^the topic is a text$/],
    ["'', 'b'", 'bad-request', /^the topic is empty$/],
    ["'a/+/b', 'b'", 'bad-request', /wildcard.*"a\/\+\/b"/],
    ["'a/#', 'b'", 'bad-request', /wildcard/],
    ["'a\\0', 'b'", 'bad-request', /U\+0000/],
    ["'a\\ud800', 'b'", 'bad-request', /surrogate/],
    ["'ä'.repeat(32_768), 'b'", 'bad-request', /at most 65535 bytes/],
    ["'ä'.repeat(32_767), 'b'", 'too-large', /at most 65535 bytes together/],
    ["'a', undefined", 'bad-request', /text, bytes, or anything that JSON can hold; this is undefined$/],
    ["'a', () => {}", 'bad-request', /this is function$/],
    ["'a', Symbol('s')", 'bad-request', /this is symbol$/],
    ["'a', 7n", 'bad-request', /no JSON form: .*BigInt/],
    ["'a', circular", 'bad-request', /no JSON form: .*circular/],
    ["'a', { toJSON() { throw 'no'; } }", 'bad-request', /no JSON form: its toJSON threw/],
    ["'a', 'x'.repeat(1_000_001)", 'too-large', /at most 1000000 bytes; this one has 1000001/],
    ["'a', Buffer.alloc(1_000_001)", 'too-large', /at most 1000000 bytes/],
    ["'a', 'b', 'qos'", 'bad-request', /options of a message are an object/],
    ["'a', 'b', { qos: 3 }", 'bad-request', /^qos is 0, 1 or 2$/],
    ["'a', 'b', { qos: '1' }", 'bad-request', /^qos is 0, 1 or 2$/],
    ["'a', 'b', { retain: 1 }", 'bad-request', /^retain is true or false$/],
    ["'a', 'b', { contentType: 7 }", 'bad-request', /^contentType is a text$/],
    ["'a', 'b', { responseTopic: 'a/#' }", 'bad-request', /^responseTopic has a wildcard/],
    ["'a', 'b', { correlationData: 7 }", 'bad-request', /^correlationData is bytes or a text$/],
    ["'a', 'b', { correlationData: Buffer.alloc(65_536) }", 'bad-request', /^correlationData has at most 65535 bytes$/],
    ["'a', 'b', { messageExpiryInterval: -1 }", 'bad-request', /^messageExpiryInterval is a whole number of seconds/],
    ["'a', 'b', { messageExpiryInterval: 4_294_967_296 }", 'bad-request', /^messageExpiryInterval/],
    ["'a', 'b', { userProperties: [['a', 'b']] }", 'bad-request', /^userProperties is an object/],
    ["'a', 'b', { userProperties: { a: ['b', {}] } }", 'bad-request', /^the user property "a" is a text$/],
    ["'a', 'b', { userProperties: { 'a\\0': 'b' } }", 'bad-request', /^the name of a user property has the character U\+0000/],
  ];

  it('is refused by the promise, with the reason, and nothing is asked', async (t) => {
    const list = mistakes.map(([source]) => `() => context.publish(${source})`).join(',\n');
    const module = `export const handler = async (request, response, context) => {
      const circular = {};
      circular.self = circular;
      const told = [];
      for (const mistake of [${list}]) {
        // Never by throwing at once.
        const promise = mistake();
        await promise.then(() => told.push({}), ({ name, code, message }) => told.push({ name, code, message }));
      }
      response.json(told);
    };`;
    const manager = await serving(t, module);
    const told = (await manager.call()).json;
    assert.equal(manager.take('CALL'), undefined);
    for (const [n, [source, code, message]] of mistakes.entries()) {
      assert.deepEqual([told[n].name, told[n].code], ['JobberError', code], source);
      assert.match(told[n].message, message);
    }
  });

  it('fails the invocation if nobody handles it, even if that has nothing more to do', async (t) => {
    const manager = await serving(t, "export const handler = (request, response) => { response.publish(7, 'b'); };");
    const { failed, frames } = await manager.answer(manager.invoke(mqttHead()));
    assert.equal(failed.code, 'bad-request');
    assert.match(failed.stack, /index\.mjs:1/);
    assert.equal(frames.length, 1);
  });
});

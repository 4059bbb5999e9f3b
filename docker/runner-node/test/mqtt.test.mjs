// MQTT messages: what a handler sees of them, and the answers to those that ask for one.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EXAMPLES } from './frames/golden.mjs';
import { TRIGGER, mqttHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

/** @typedef {import('../src/mqtt.mjs').WireProperties} WireProperties */

/** @type {WireProperties} */
const PROPERTIES = {
  contentType: 'application/json',
  responseTopic: 'answers/7',
  correlationData: 'AP8H',
  payloadFormatIndicator: 1,
  messageExpiryInterval: 60,
  userProperties: [
    ['trace', 'a'],
    ['lang', 'ä'],
    ['trace', 'b'],
    ['trace', 'c'],
    ['__proto__', 'x'],
    ['__proto__', 'y'],
    ['toString', 'z'],
  ],
};

/** Writes what it sees of a message to the log, as one line. */
const SHOW = `
  const show = (message) => console.log('seen ' + JSON.stringify(message, (key, value) => (value?.type === 'Buffer' ? Buffer.from(value).toString('hex') : value)));`;
const CLASSIC = `${SHOW}
  export const handler = (request, response, context) => {
    show({
      type: request.type(), name: request.name(), id: request.invocationId(), attempt: request.attempt(),
      topic: request.topic(), qos: request.qos(), retain: request.retain(), duplicate: request.duplicate(),
      text: request.text(), data: request.data(), properties: request.properties(),
      signal: request.signal === context.signal, trigger: context.trigger,
    });
  };`;
const WEB = `${SHOW}
  export default { mqtt(message, env, context) {
    show({ ...message, text: message.text(), data: message.data(), id: context.invocationId, attempt: context.attempt, env });
  } };`;

/** @param {import('./support/manager.mjs').Manager} manager */
async function seen(manager) {
  const { body } = await manager.log('seen ');
  return JSON.parse(body.toString().slice('seen '.length));
}

describe('a message', { concurrency: true }, () => {
  it('tells a classic handler everything about itself', async (t) => {
    const manager = await serving(t, CLASSIC);
    const head = mqttHead({ topic: 'küche/licht', qos: 2, retain: true, duplicate: true });
    head.trigger.name = 'house';
    head.attempt = 3;
    const { frames } = await manager.answer(manager.invoke(head, { body: 'grüß' }));
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    assert.deepEqual(await seen(manager), {
      type: 'mqtt',
      name: 'house',
      id: head.id,
      attempt: 3,
      topic: 'küche/licht',
      qos: 2,
      retain: true,
      duplicate: true,
      text: 'grüß',
      data: Buffer.from('grüß').toString('hex'),
      properties: {},
      signal: true,
      trigger: 'house',
    });
  });

  it('tells a web-standard method the same', async (t) => {
    const manager = await serving(t, WEB, { environment: { A: 'b' } });
    const head = mqttHead({ topic: 'a/b', qos: 0 });
    const { frames } = await manager.answer(manager.invoke(head, { body: Buffer.from([0, 0x31]) }));
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    assert.deepEqual(await seen(manager), {
      topic: 'a/b',
      qos: 0,
      retain: false,
      duplicate: false,
      properties: {},
      trigger: null,
      text: '\u00001',
      data: '0031',
      id: head.id,
      attempt: 1,
      env: { A: 'b' },
    });
  });

  for (const [dialect, module] of [
    ['classic', CLASSIC],
    ['web-standard', WEB],
  ]) {
    it(`has the properties of MQTT 5, whatever their names are: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      // Nothing is returned, so nothing is answered although the message asks for it.
      await manager.answer(manager.invoke(mqttHead({}, PROPERTIES)));
      const { properties } = await seen(manager);
      assert.deepEqual(Object.entries(properties.userProperties), [
        ['trace', ['a', 'b', 'c']],
        ['lang', 'ä'],
        ['__proto__', ['x', 'y']],
        ['toString', 'z'],
      ]);
      delete properties.userProperties;
      assert.deepEqual(properties, {
        contentType: 'application/json',
        responseTopic: 'answers/7',
        correlationData: '00ff07',
        payloadFormatIndicator: 1,
        messageExpiryInterval: 60,
      });
    });
  }

  it('can be sent on with its properties', async (t) => {
    const module = `export const handler = async (request, response) => {
      const { userProperties, correlationData } = request.properties();
      await response.publish('on', request.data(), { userProperties, correlationData });
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(mqttHead({}, PROPERTIES), { body: 'x' });
    const published = await manager.published();
    assert.deepEqual(published.message.properties, {
      correlationData: 'AP8H',
      userProperties: [
        ['trace', 'a'],
        ['trace', 'b'],
        ['trace', 'c'],
        ['lang', 'ä'],
        ['__proto__', 'x'],
        ['__proto__', 'y'],
        ['toString', 'z'],
      ],
    });
    manager.acknowledge(published);
    await manager.answer(stream);
  });
});

describe('a payload', { concurrency: true }, () => {
  const SIZE = { classic: 'export const handler = (request) => console.log("bytes:", request.data().length);', web: 'export default { mqtt: (message) => console.log("bytes:", message.data().length) };' };
  for (const [dialect, module] of Object.entries(SIZE)) {
    it(`that comes in parts is whole before the handler is called: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const stream = manager.invoke(mqttHead(), { body: Buffer.alloc(65_536), end: false });
      manager.send('DATA', { stream, body: Buffer.alloc(65_536) });
      await manager.next('CREDIT', stream);
      assert.equal(manager.logs.length, 0);
      manager.send('DATA', { stream, body: Buffer.alloc(7), flags: 1 });
      assert.equal((await manager.answer(stream)).failed, null);
      await manager.log('bytes: 131079');
    });

    it(`that is cut short is settled without the handler: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const stream = manager.invoke(mqttHead(), { body: 'half', end: false });
      manager.send('CANCEL', { stream, head: { reason: 'shutdown' } });
      await manager.answer(stream);
      await manager.quiet();
      assert.equal(manager.logs.length, 0);
    });

    it(`that is too large is refused where it is read: ${dialect}`, async (t) => {
      const manager = await serving(t, module, { limits: { bufferedBodyBytes: 10 } });
      const stream = manager.invoke(mqttHead(), { body: 'eleven bytes', end: false });
      if (dialect === 'classic') await manager.next('STOP_READING', stream);
      const { failed } = await manager.answer(stream);
      assert.equal(failed.code, 'body-too-large');
      assert.doesNotMatch(failed.message, /request\.body/);
      manager.send('DATA', { stream, body: 'on its way', flags: 1 });
      const next = manager.invoke(mqttHead(), { body: 'small' });
      assert.equal((await manager.answer(next)).failed, null);
      await manager.log('bytes: 5');
    });
  }

  for (const module of ['export const handler = (request) => request.json();', 'export default { mqtt: (message) => message.json() };']) {
    it(`is JSON only if it is: ${module.slice(7, 14)}`, async (t) => {
      const manager = await serving(t, module);
      assert.equal((await manager.answer(manager.invoke(mqttHead(), { body: '{' }))).failed.code, 'bad-json');
      assert.equal((await manager.answer(manager.invoke(mqttHead(), { body: '{"a":1}' }))).failed, null);
    });
  }
});

describe('a MESSAGE', { concurrency: true }, () => {
  /** @param {string} name */
  const golden = (name) => {
    const found = EXAMPLES.find((example) => example.name === name);
    assert.ok(found?.bodyHex);
    return Buffer.from(found.bodyHex, 'hex');
  };
  const ID = '0197a6f0-3c1e-7d52-9c0f-5f1d3a2b4c6d';

  it('tells a classic handler what an INVOKE tells', async (t) => {
    const manager = await serving(t, CLASSIC);
    const { frames } = await manager.answer(manager.message(golden('message')));
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    assert.deepEqual(await seen(manager), {
      type: 'mqtt',
      name: 'hello',
      id: ID,
      attempt: 1,
      topic: 'house/kitchen',
      qos: 1,
      retain: false,
      duplicate: false,
      text: '21.5',
      data: '32312e35',
      properties: {},
      signal: true,
      trigger: 'hello',
    });
  });

  it('tells the same to a web-standard one', async (t) => {
    const manager = await serving(t, WEB);
    await manager.answer(manager.message(golden('message without a name, a trace or a payload')));
    assert.deepEqual(await seen(manager), {
      topic: 'küche/licht',
      qos: 2,
      retain: true,
      duplicate: true,
      properties: {},
      trigger: null,
      text: '',
      data: '',
      id: ID,
      attempt: 1,
      env: {},
    });
  });

  it('names the trace, and the trigger of what is published', async (t) => {
    const manager = await serving(t, 'export const handler = (request, response, context) => response.publish("to", context.traceparent);');
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0';
    for (const [name, sampled] of [['message', '1'], ['message without a name, a trace or a payload', '0']]) {
      const stream = manager.message(golden(name));
      const published = await manager.published();
      assert.equal(published.body.toString(), traceparent + sampled);
      assert.equal(published.message.trigger, TRIGGER);
      manager.acknowledge(published);
      assert.equal((await manager.answer(stream)).failed, null);
    }
  });

  for (const [what, body] of /** @type {[string, Buffer][]} */ ([
    ['has not all of what it must have', golden('message').subarray(0, 63)],
    ['is shorter than its topic', golden('message').subarray(0, 80)],
    ['is of QoS 3', Buffer.concat([Buffer.from([0x13]), golden('message').subarray(1)])],
  ])) {
    it(`ends the session if it ${what}`, async (t) => {
      const manager = await serving(t, CLASSIC);
      manager.message(body);
      assert.equal(await manager.exited(), 76);
    });
  }
});

describe('an answer', { concurrency: true }, () => {
  /** What both dialects return, by topic. */
  const VALUES = `const values = {
    text: 'grüß', empty: '', bytes: Buffer.from([0, 255]), view: new Uint8Array([1, 2]).subarray(1), buffer: new Uint8Array([3]).buffer,
    object: { a: ['ä'] }, list: [1], number: 0, no: false, nothing: undefined, null: null, function: () => {},
  };`;
  /** @type {Record<string, string>} */
  const modules = {
    classic: `${VALUES} export const handler = (request) => values[request.topic()];`,
    'classic, later': `${VALUES} export const handler = async (request) => { await null; return values[request.topic()]; };`,
    'web-standard': `${VALUES} export default { mqtt: (message) => values[message.topic] };`,
  };
  /** @type {[string, string, string | undefined][]} the topic, the payload in hex, its content type */
  const answers = [
    ['text', Buffer.from('grüß').toString('hex'), undefined],
    ['empty', '', undefined],
    ['bytes', '00ff', undefined],
    ['view', '02', undefined],
    ['buffer', '03', undefined],
    ['object', Buffer.from('{"a":["ä"]}').toString('hex'), 'application/json'],
    ['list', Buffer.from('[1]').toString('hex'), 'application/json'],
    ['number', Buffer.from('0').toString('hex'), 'application/json'],
    ['no', Buffer.from('false').toString('hex'), 'application/json'],
  ];

  for (const [dialect, module] of Object.entries(modules)) {
    it(`is what the handler returns: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      for (const [topic, hex, contentType] of answers) {
        const stream = manager.invoke(mqttHead({ topic, qos: 2 }, PROPERTIES));
        const published = await manager.published();
        const properties = { ...(contentType && { contentType }), correlationData: 'AP8H' };
        assert.deepEqual(published.message, { topic: 'answers/7', qos: 2, retain: false, trigger: TRIGGER, properties }, topic);
        assert.equal(published.body.toString('hex'), hex, topic);
        manager.acknowledge(published);
        const { frames } = await manager.answer(stream);
        assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
      }
    });

    it(`is not sent where there is none, or where nobody asks: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const silent = [mqttHead({ topic: 'nothing' }, PROPERTIES), mqttHead({ topic: 'null' }, PROPERTIES), mqttHead({ topic: 'object' }), mqttHead({ topic: 'text' }, { correlationData: 'AA==' })];
      for (const head of silent) assert.equal((await manager.answer(manager.invoke(head))).failed, null);
      assert.equal(manager.take('CALL'), undefined);
    });

    it(`must have a form: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const { failed } = await manager.answer(manager.invoke(mqttHead({ topic: 'function' }, PROPERTIES)));
      assert.equal(failed.code, 'bad-request');
      assert.match(failed.message, /this is function/);
      assert.equal((await manager.answer(manager.invoke(mqttHead({ topic: 'function' })))).failed, null);
    });

    it(`goes with the message's own QoS, and may have nothing to correlate: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const stream = manager.invoke(mqttHead({ topic: 'text', qos: 0 }, { responseTopic: 'r' }));
      const published = await manager.published();
      assert.deepEqual(published.message, { topic: 'r', qos: 0, retain: false, trigger: TRIGGER });
      manager.acknowledge(published);
      await manager.answer(stream);
    });

    it(`is what the invocation waits for, and fails with: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const first = manager.invoke(mqttHead({ topic: 'text' }, PROPERTIES));
      const published = await manager.published();
      await manager.quiet();
      assert.equal(manager.take('SETTLED', first), undefined);
      manager.refuse(published, 'mqtt-refused', 'not authorised');
      const { failed, frames } = await manager.answer(first);
      assert.equal(failed.code, 'mqtt-refused');
      assert.equal(frames.length, 1);
      const nowhere = await manager.answer(manager.invoke(mqttHead({ topic: 'text' }, { responseTopic: 'every/#' })));
      assert.equal(nowhere.failed.code, 'bad-request');
      assert.deepEqual(manager.logs, []);
    });

    it(`is not waited for after a cancellation: ${dialect}`, async (t) => {
      const manager = await serving(t, module);
      const stream = manager.invoke(mqttHead({ topic: 'text' }, PROPERTIES));
      const published = await manager.published();
      manager.send('CANCEL', { stream, head: { reason: 'timeout' } });
      const { frames } = await manager.answer(stream);
      assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
      manager.refuse(published, 'mqtt-unavailable');
      await manager.quiet();
      assert.deepEqual(manager.logs, []);
    });
  }

  it('that comes after a cancellation is thrown away', async (t) => {
    const module = `export const handler = async (request) => {
      console.log('waiting');
      await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      return 'too late';
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(mqttHead({}, PROPERTIES));
    await manager.log('waiting');
    manager.send('CANCEL', { stream, head: { reason: 'timeout' } });
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    assert.equal(manager.take('CALL'), undefined);
  });

  it('is not the response object, nor the promise of what was published', async (t) => {
    const module = `export const handler = (request, response) => (request.topic() === 'response' ? response : response.publish('said', 'x'));`;
    const manager = await serving(t, module);
    await manager.answer(manager.invoke(mqttHead({ topic: 'response' }, PROPERTIES)));
    const stream = manager.invoke(mqttHead({ topic: 'promise' }, PROPERTIES));
    const published = await manager.published();
    assert.equal(published.message.topic, 'said');
    manager.acknowledge(published);
    await manager.answer(stream);
    assert.equal(manager.take('CALL'), undefined);
  });

  it('comes besides what the handler publishes, and after it', async (t) => {
    const manager = await serving(t, "export const handler = (request, response) => { response.publish('log', 'x'); return 'answer'; };");
    const stream = manager.invoke(mqttHead({}, PROPERTIES));
    const [first, second] = [await manager.published(), await manager.published()];
    assert.deepEqual([first.message.topic, second.message.topic], ['log', 'answers/7']);
    manager.acknowledge(second);
    await manager.quiet();
    assert.equal(manager.take('SETTLED', stream), undefined);
    manager.acknowledge(first);
    await manager.answer(stream);
  });
});

// The golden frames: examples of every frame type, from which `generate.mjs` makes `actors/testdata/frames/frames.json`.
// Those that must be refused are in `malformed.mjs`.

/** @typedef {import('../../src/frames.mjs').Side} Side */

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {Side} from
 * @property {string} type
 * @property {number} code
 * @property {number} [flags]
 * @property {number} [stream]
 * @property {object | null} [head]
 * @property {string} [bodyUtf8]
 * @property {string} [bodyHex]
 */

const INVOCATION = '0197a6f0-3c1e-7d52-9c0f-5f1d3a2b4c6d';
const JOB = '0197a6f0-0000-7000-8000-000000000001';
const VERSION = '0197a6f0-0000-7000-8000-000000000002';
const TRIGGER = '0197a6f0-0000-7000-8000-000000000003';
const RUNNER = '0197a6f0-0000-7000-8000-000000000004';
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const END = 1;
const SETTLED = 2;

const request = {
  id: INVOCATION,
  attempt: 1,
  timeoutMs: 60000,
  kind: 'http',
  trigger: { id: TRIGGER, name: 'hello' },
};
const post = {
  method: 'POST',
  target: '/users/7?x=1&y=a%20b',
  scheme: 'http',
  authority: 'example.org',
  headers: [
    ['content-type', 'application/json'],
    ['x-twice', 'one'],
    ['x-twice', 'two'],
  ],
  params: { id: '7' },
  ip: '192.0.2.7',
};
const failure = {
  name: 'TypeError',
  message: 'x is not a function',
  stack: 'TypeError: x is not a function\n    at handler (file:///app/index.js:3:9)',
};
const properties = {
  contentType: 'application/json',
  responseTopic: 'answers/7',
  correlationData: 'AP8H',
  messageExpiryInterval: 4294967295,
  userProperties: [
    ['trace', 'ä'],
    ['trace', ''],
    ['__proto__', 'x'],
  ],
};
const item = { expiry: null, created: 1767225600, modified: 1767225660 };

/**
 * The body of a MESSAGE.
 * @param {{bits: number, name: string, topic: string, payload: string}} message
 */
function messageBody({ bits, name, topic, payload }) {
  const hex = (/** @type {number} */ number, /** @type {number} */ bytes) => number.toString(16).padStart(2 * bytes, '0');
  const [, trace, span] = TRACEPARENT.split('-');
  const [id, trigger] = [INVOCATION, TRIGGER].map((uuid) => uuid.replaceAll('-', ''));
  const lengths = hex(Buffer.byteLength(name), 1) + hex(Buffer.byteLength(topic), 2);
  return hex(bits, 1) + hex(60_000, 4) + id + trace + span + trigger + lengths + Buffer.from(name + topic + payload).toString('hex');
}

/** @type {Example[]} */
export const EXAMPLES = [
  {
    name: 'hello',
    from: 'runner',
    type: 'HELLO',
    code: 0x01,
    head: { protocol: 1, token: '0f'.repeat(32), runtime: 'node', runtimeVersion: '22.1.0', pid: 7 },
  },
  {
    name: 'hello of a runner that takes messages',
    from: 'runner',
    type: 'HELLO',
    code: 0x01,
    head: { protocol: 1, token: '0f'.repeat(32), runtime: 'node', runtimeVersion: '22.1.0', pid: 7, accepts: ['message'] },
  },
  {
    name: 'welcome',
    from: 'manager',
    type: 'WELCOME',
    code: 0x02,
    head: { protocol: 1, runnerId: RUNNER, credit: 262144 },
  },
  {
    name: 'assign',
    from: 'manager',
    type: 'ASSIGN',
    code: 0x03,
    head: {
      job: { id: JOB, name: 'hello-http' },
      version: { id: VERSION, name: '1.2.0' },
      main: './dist/index.js',
      files: 2,
      bytes: 30,
      limits: { concurrency: 100, timeoutMs: 60000, bufferedBodyBytes: 10485760 },
    },
    bodyUtf8: '{"GREETING":"grüß dich","EMPTY":""}',
  },
  {
    name: 'file, whole',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'package.json', size: 2, executable: false },
    bodyUtf8: '{}',
  },
  {
    name: 'file, empty',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'dist/empty', size: 0, executable: false },
  },
  {
    name: 'file, its first part',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'bin/tööl', size: 6, executable: true },
    bodyHex: '00ff7f',
  },
  { name: 'file data', from: 'manager', type: 'FILE_DATA', code: 0x05, head: {}, bodyHex: '80feff' },
  { name: 'file data, head of length 0', from: 'manager', type: 'FILE_DATA', code: 0x05, head: null, bodyHex: '80feff' },
  { name: 'load', from: 'manager', type: 'LOAD', code: 0x06, head: null },
  { name: 'ready', from: 'runner', type: 'READY', code: 0x07, head: { importMs: 12, dialect: 'classic' } },
  { name: 'ready, web', from: 'runner', type: 'READY', code: 0x07, head: { importMs: 0.75, dialect: 'web' } },
  { name: 'rejected', from: 'runner', type: 'REJECTED', code: 0x08, head: { phase: 'import', error: failure } },
  {
    name: 'rejected, with a code',
    from: 'runner',
    type: 'REJECTED',
    code: 0x08,
    head: {
      phase: 'exports',
      error: { name: 'Error', message: 'the module exports no handler', stack: '', code: 'no-handler' },
    },
  },
  {
    name: 'invoke, no body',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 1,
    head: {
      ...request,
      http: { method: 'GET', target: '/', scheme: 'https', authority: 'a.example:8443', headers: [], params: {}, ip: '::1' },
    },
  },
  {
    name: 'invoke, whole body',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 3,
    head: { ...request, http: { ...post, size: 13 } },
    bodyUtf8: '{"a":"ä🙂"}',
  },
  {
    name: 'invoke, part of a trace',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 13,
    head: { ...request, traceparent: TRACEPARENT, tracestate: 'vendor=a b,1tenant@other=c', http: post },
  },
  {
    name: 'invoke, first part of a body of unknown size',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    stream: 5,
    head: { ...request, trigger: { id: TRIGGER, name: null }, http: post },
    bodyHex: '0001',
  },
  {
    name: 'invoke, mqtt',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 7,
    head: {
      ...request,
      kind: 'mqtt',
      attempt: 2,
      mqtt: { topic: 'house/kitchen', qos: 1, retain: false, duplicate: true, properties: {} },
    },
    bodyUtf8: '21.5',
  },
  {
    name: 'invoke, mqtt 5 with all properties',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 9,
    head: {
      ...request,
      kind: 'mqtt',
      trigger: { id: TRIGGER, name: null },
      mqtt: { topic: 'küche/licht', qos: 2, retain: true, duplicate: false, properties: { ...properties, payloadFormatIndicator: 1 } },
    },
    bodyUtf8: '{"on":true}',
  },
  {
    name: 'invoke, mqtt, first part of a large payload',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    stream: 11,
    head: {
      ...request,
      kind: 'mqtt',
      mqtt: { topic: '/', qos: 0, retain: false, duplicate: false, properties: { payloadFormatIndicator: 0, correlationData: '' } },
    },
    bodyHex: 'ff00',
  },
  {
    name: 'invoke, schedule',
    from: 'manager',
    type: 'INVOKE',
    code: 0x10,
    flags: END,
    stream: 4294967295,
    head: { ...request, traceparent: TRACEPARENT.replace(/01$/, '00'), kind: 'schedule', trigger: { id: TRIGGER, name: 'nightly' }, schedule: { scheduledAt: '2026-01-01T00:00:00.000Z' } },
  },
  {
    name: 'message',
    from: 'manager',
    type: 'MESSAGE',
    code: 0x19,
    flags: END,
    stream: 13,
    head: null,
    bodyHex: messageBody({ bits: 0x11, name: 'hello', topic: 'house/kitchen', payload: '21.5' }),
  },
  {
    name: 'message without a name, a trace or a payload',
    from: 'manager',
    type: 'MESSAGE',
    code: 0x19,
    flags: END,
    stream: 15,
    head: null,
    bodyHex: messageBody({ bits: 0x0e, name: '', topic: 'küche/licht', payload: '' }),
  },
  { name: 'data from the manager', from: 'manager', type: 'DATA', code: 0x11, stream: 5, head: null, bodyHex: '02030405' },
  { name: 'data, empty and last', from: 'manager', type: 'DATA', code: 0x11, flags: END, stream: 5, head: null },
  {
    name: 'data from the runner, last, settled',
    from: 'runner',
    type: 'DATA',
    code: 0x11,
    flags: END | SETTLED,
    stream: 5,
    head: null,
    bodyUtf8: 'the end',
  },
  { name: 'credit from the runner', from: 'runner', type: 'CREDIT', code: 0x12, stream: 5, head: { bytes: 65536 } },
  { name: 'credit from the manager', from: 'manager', type: 'CREDIT', code: 0x12, stream: 5, head: { bytes: 1 } },
  { name: 'cancel', from: 'manager', type: 'CANCEL', code: 0x13, stream: 5, head: { reason: 'client' } },
  {
    name: 'response, whole and settled',
    from: 'runner',
    type: 'RESPONSE',
    code: 0x14,
    flags: END | SETTLED,
    stream: 1,
    head: {
      status: 200,
      headers: [
        ['content-type', 'application/json; charset=utf-8'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    },
    bodyUtf8: '{"hello":"wörld"}',
  },
  {
    name: 'response, whole, the handler still runs',
    from: 'runner',
    type: 'RESPONSE',
    code: 0x14,
    flags: END,
    stream: 3,
    head: { status: 204, headers: [] },
  },
  {
    name: 'response, first part',
    from: 'runner',
    type: 'RESPONSE',
    code: 0x14,
    stream: 5,
    head: { status: 200, headers: [['content-type', 'text/event-stream']] },
    bodyUtf8: 'data: 1\n\n',
  },
  { name: 'settled', from: 'runner', type: 'SETTLED', code: 0x15, flags: SETTLED, stream: 3, head: null },
  {
    name: 'failed',
    from: 'runner',
    type: 'FAILED',
    code: 0x16,
    flags: SETTLED,
    stream: 9,
    head: { error: failure },
  },
  {
    name: 'failed, a thrown value',
    from: 'runner',
    type: 'FAILED',
    code: 0x16,
    flags: SETTLED,
    stream: 11,
    head: { error: { name: 'string', message: 'nope', stack: '', value: '"nope"' } },
  },
  { name: 'stop reading', from: 'runner', type: 'STOP_READING', code: 0x18, stream: 5, head: null },
  {
    name: 'log, of an invocation',
    from: 'runner',
    type: 'LOG',
    code: 0x20,
    head: { invocation: INVOCATION, stream: 'stdout', time: '2026-01-01T00:00:00.123Z' },
    bodyUtf8: 'two\nlines',
  },
  {
    name: 'log, with level and fields',
    from: 'runner',
    type: 'LOG',
    code: 0x20,
    head: { stream: 'stderr', level: 'error', time: '2026-01-01T00:00:00.124Z', fields: { user: 7 }, dropped: 12 },
    bodyUtf8: 'äh',
  },
  { name: 'ping from the manager', from: 'manager', type: 'PING', code: 0x30, head: null, bodyHex: '0102030405060708' },
  { name: 'pong from the runner', from: 'runner', type: 'PONG', code: 0x31, head: null, bodyHex: '0102030405060708' },
  { name: 'ping from the runner, empty', from: 'runner', type: 'PING', code: 0x30, head: {} },
  { name: 'pong from the manager, empty', from: 'manager', type: 'PONG', code: 0x31, head: null },
  { name: 'call store.get', from: 'runner', type: 'CALL', code: 0x40, stream: 2, head: { method: 'store.get', key: 'naïve' } },
  {
    name: 'call store.set',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 4,
    head: { method: 'store.set', key: 'k', ttl: 60 },
    bodyHex: '00ff',
  },
  { name: 'call store.delete', from: 'runner', type: 'CALL', code: 0x40, stream: 6, head: { method: 'store.delete', key: 'k' } },
  {
    name: 'call store.increment',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 8,
    head: { method: 'store.increment', key: 'n', by: -2 },
  },
  {
    name: 'call store.compareAndSet',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 10,
    head: { method: 'store.compareAndSet', key: 'k', expectedLength: 3 },
    bodyUtf8: 'oldnewer',
  },
  {
    name: 'call store.compareAndSet, must not exist',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 12,
    head: { method: 'store.compareAndSet', key: 'k', expectedLength: null },
    bodyUtf8: 'new',
  },
  {
    name: 'call store.list',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 4294967294,
    head: { method: 'store.list', prefix: 'a/', limit: 100, after: 'a/7' },
  },
  {
    name: 'call mqtt.publish, nothing but a topic',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 14,
    head: { method: 'mqtt.publish', topic: 'küche/licht' },
    bodyHex: '00ff',
  },
  {
    name: 'call mqtt.publish, with everything',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 16,
    head: { method: 'mqtt.publish', topic: 'answers/7', qos: 2, retain: true, trigger: TRIGGER, properties: { ...properties, payloadFormatIndicator: 1 } },
    bodyUtf8: '{"on":true}',
  },
  {
    name: 'call mqtt.publish, as the Node runtime writes it, without a payload',
    from: 'runner',
    type: 'CALL',
    code: 0x40,
    stream: 18,
    head: { method: 'mqtt.publish', topic: 'a/b', qos: 0, retain: false },
  },
  {
    name: 'result, a value',
    from: 'manager',
    type: 'RESULT',
    code: 0x41,
    stream: 2,
    head: { ok: true, found: true, ...item },
    bodyUtf8: 'wert',
  },
  { name: 'result, not found', from: 'manager', type: 'RESULT', code: 0x41, stream: 2, head: { ok: true, found: false } },
  {
    name: 'result, a refusal',
    from: 'manager',
    type: 'RESULT',
    code: 0x41,
    stream: 8,
    head: { ok: false, code: 'not-a-number', message: 'the value of this key is not a whole number' },
  },
  { name: 'result, published', from: 'manager', type: 'RESULT', code: 0x41, stream: 14, head: { ok: true } },
  {
    name: 'result, nothing can be published',
    from: 'manager',
    type: 'RESULT',
    code: 0x41,
    stream: 16,
    head: { ok: false, code: 'mqtt-unavailable', message: 'the broker did not acknowledge the message in time' },
  },
  {
    name: 'result, the broker refused',
    from: 'manager',
    type: 'RESULT',
    code: 0x41,
    stream: 18,
    head: { ok: false, code: 'mqtt-refused', message: 'the broker refused the message: not authorized (0x87)' },
  },
  {
    name: 'result, a list',
    from: 'manager',
    type: 'RESULT',
    code: 0x41,
    stream: 4294967294,
    head: { ok: true },
    bodyUtf8: JSON.stringify({ items: [{ key: 'a/8', ...item, size: 4 }], next: 'a/8' }),
  },
  { name: 'drain', from: 'manager', type: 'DRAIN', code: 0x50, head: null },
  { name: 'shutdown', from: 'manager', type: 'SHUTDOWN', code: 0x51, head: { graceMs: 5000 } },
  {
    name: 'unknown flags and unknown fields are ignored',
    from: 'manager',
    type: 'CANCEL',
    code: 0x13,
    flags: 0xf0,
    stream: 13,
    head: { reason: 'timeout', later: [1, { two: null }] },
  },
];

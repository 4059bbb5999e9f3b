// Golden frames of invocations: from INVOKE and MESSAGE to their ends.

import { INVOCATION, TRIGGER, failure, properties } from './values.mjs';

/** @typedef {import('./values.mjs').Example} Example */

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
export const INVOCATIONS = [
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
];

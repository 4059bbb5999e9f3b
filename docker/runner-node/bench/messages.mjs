// What a message of MQTT costs the runtime: messages per second through a handler that does next to nothing, and the processor
// time of one. The sender is this process, which keeps as many on their way as a runner may have. `npm run bench:messages [-- seconds]`

import { FLAG, TYPE } from '../src/frames.mjs';
import { bytes } from '../test/frames/malformed.mjs';
import { Manager } from '../test/support/manager.mjs';
import { processorMs } from './processor.mjs';

const SECONDS = Number(process.argv[2] ?? 3);
const PAYLOADS = [64, 1_024, 16_384];
/** What a package has that says nothing. */
const CONCURRENCY = 100;
const WARM_UP_MS = 1_000;

const HANDLER = `
  let handled = 0;
  let last = null;
  export function handler(request) {
    handled += 1;
    last = { topic: request.topic(), payload: request.data() };
  }`;

/** The body of a MESSAGE of QoS 1 with ids that mean nothing. @param {number} payload its bytes */
function messageBody(payload) {
  const topic = Buffer.from('bench/messages');
  const fixed = Buffer.alloc(64, 0x5a);
  fixed[0] = 1;
  fixed[61] = 0;
  fixed.writeUInt16BE(topic.length, 62);
  return Buffer.concat([fixed, topic, Buffer.alloc(payload, 'x')]);
}

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {number} payload */
async function measure(payload) {
  const manager = await Manager.serving(HANDLER, { limits: { concurrency: CONCURRENCY } });
  const frame = bytes(TYPE.MESSAGE, FLAG.END, 1, Buffer.alloc(0), messageBody(payload));
  let [stream, handled, settled] = [1, 0, 0];
  /** @param {number} messages */
  const send = (messages) => {
    const wire = Buffer.concat(Array(messages).fill(frame));
    for (let at = 0; at < wire.length; at += frame.length, stream += 2) wire.writeUInt32BE(stream, at + 6);
    manager.sendRaw(wire);
  };
  const next = () => {
    handled += settled;
    const messages = settled;
    settled = 0;
    send(messages);
  };
  manager.inbox.push = (...frames) => {
    for (const { type, head } of frames) {
      if (type !== 'SETTLED') throw new Error(`not a SETTLED: ${type} ${JSON.stringify(head)}`);
      if (settled === 0) setImmediate(next);
      settled += 1;
    }
    return 0;
  };
  send(CONCURRENCY);
  await sleep(WARM_UP_MS);
  const [began, handledBefore, spentBefore] = [performance.now(), handled, processorMs(manager.pid)];
  await sleep(SECONDS * 1_000);
  const [messages, spent] = [handled - handledBefore, processorMs(manager.pid) - spentBefore];
  const perSecond = (messages * 1_000) / (performance.now() - began);
  await manager.stop();
  return `${String(payload).padStart(6)} bytes: ${Math.round(perSecond)} messages/s, ${((spent * 1_000) / messages).toFixed(2)} µs`;
}

process.stdout.write(`Node ${process.versions.node}; ${CONCURRENCY} on their way; processor time of the runtime for each\n`);
for (const payload of PAYLOADS) process.stdout.write(`${await measure(payload)}\n`);

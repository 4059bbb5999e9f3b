// The work that both sides do with a message: as many hashes of it as its first byte says; then it is counted, and the last
// one noted.

import { hash } from 'node:crypto';

/** So many messages lie between two marks. */
const MARK_EVERY = 1_000;

let handled = 0;
/** The last hash. */
let digest = '';
/** The last message, and when it was handled, in milliseconds. */
let last = { topic: '', payload: Buffer.alloc(0), at: 0 };
/** When every thousandth message was handled, in milliseconds. */
const marks = [];

export function count(topic, payload) {
  for (let more = payload[0]; more > 0; more -= 1) digest = hash('sha256', payload);
  handled += 1;
  last = { topic, payload, at: performance.now() };
  if (handled % MARK_EVERY === 0) marks.push(last.at);
}

/** What was counted up to now. */
export function counted() {
  return { handled, now: performance.now(), lastAt: last.at, lastBytes: last.payload.length, digest };
}

/** The same with the marks. */
export function counts() {
  return { ...counted(), marks };
}

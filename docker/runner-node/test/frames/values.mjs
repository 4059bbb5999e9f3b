// What golden frames have in common.

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

export const INVOCATION = '0197a6f0-3c1e-7d52-9c0f-5f1d3a2b4c6d';
export const TRIGGER = '0197a6f0-0000-7000-8000-000000000003';
export const failure = {
  name: 'TypeError',
  message: 'x is not a function',
  stack: 'TypeError: x is not a function\n    at handler (file:///app/index.js:3:9)',
};
export const properties = {
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

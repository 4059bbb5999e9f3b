// What MQTT has besides payloads: topics, and the properties of MQTT 5, as functions see them and as the protocol
// writes them (§5).

import { JobberError } from './errors.mjs';

/** MQTT writes the length of a text, and of correlation data, as a 16-bit number. */
const MAX_TEXT_BYTES = 65_535;
/** MQTT writes the expiry, in seconds, as a 32-bit number. */
const MAX_EXPIRY = 0xffff_ffff;
/** Half of a surrogate pair: a text with one has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Properties as the protocol writes them. Absent ones are absent.
 * @typedef {object} WireProperties
 * @property {string} [contentType]
 * @property {string} [responseTopic]
 * @property {string} [correlationData] base64
 * @property {0 | 1} [payloadFormatIndicator]
 * @property {number} [messageExpiryInterval] seconds
 * @property {[string, string][]} [userProperties] in the order of the message; names may repeat
 */

/**
 * Properties as a function sees them. Absent ones are absent.
 * @typedef {object} Properties
 * @property {string} [contentType]
 * @property {string} [responseTopic]
 * @property {Buffer} [correlationData]
 * @property {0 | 1} [payloadFormatIndicator]
 * @property {number} [messageExpiryInterval] seconds
 * @property {Record<string, string | string[]>} [userProperties] a list where the name repeats
 */

/**
 * Properties as a function gives them.
 * @typedef {object} GivenProperties
 * @property {string} [contentType]
 * @property {string} [responseTopic]
 * @property {string | Uint8Array | ArrayBuffer} [correlationData]
 * @property {number} [messageExpiryInterval] seconds
 * @property {Readonly<Record<string, string | number | readonly (string | number)[]>>} [userProperties]
 */

/**
 * The properties of a message that came.
 * @param {WireProperties} [wire]
 * @returns {Properties}
 */
export function readProperties(wire = {}) {
  const { contentType, responseTopic, correlationData, payloadFormatIndicator, messageExpiryInterval, userProperties } = wire;
  return {
    ...(isGiven(contentType) && { contentType }),
    ...(isGiven(responseTopic) && { responseTopic }),
    ...(isGiven(correlationData) && { correlationData: Buffer.from(correlationData, 'base64') }),
    ...(isGiven(payloadFormatIndicator) && { payloadFormatIndicator }),
    ...(isGiven(messageExpiryInterval) && { messageExpiryInterval }),
    ...(isGiven(userProperties) && { userProperties: readUserProperties(userProperties) }),
  };
}

/** @param {[string, string][]} pairs */
function readUserProperties(pairs) {
  // Names come from whoever sent the message: without a prototype, none of them is special.
  /** @type {Record<string, string | string[]>} */
  const found = Object.create(null);
  for (const [name, value] of pairs) {
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else found[name] = [before, value];
  }
  return found;
}

/**
 * The properties of a message that is published.
 * @param {GivenProperties} given
 * @returns {WireProperties}
 * @throws {JobberError} `bad-request`
 */
export function writeProperties({ contentType, responseTopic, correlationData, messageExpiryInterval, userProperties }) {
  return {
    ...(isGiven(contentType) && { contentType: text('contentType', contentType) }),
    ...(isGiven(responseTopic) && { responseTopic: topicName('responseTopic', responseTopic) }),
    ...(isGiven(correlationData) && { correlationData: binary(correlationData).toString('base64') }),
    ...(isGiven(messageExpiryInterval) && { messageExpiryInterval: expiry(messageExpiryInterval) }),
    ...(isGiven(userProperties) && { userProperties: writeUserProperties(userProperties) }),
  };
}

/**
 * Whether an option was given: null counts as if it were not.
 * @template T
 * @param {T} value
 * @returns {value is NonNullable<T>}
 */
export function isGiven(value) {
  return value !== undefined && value !== null;
}

/** @param {string} message */
function wrong(message) {
  return new JobberError('bad-request', message);
}

/**
 * @param {string} what
 * @param {unknown} value
 * @returns {string}
 */
function text(what, value) {
  if (typeof value !== 'string') throw wrong(`${what} is a text`);
  if (value.includes('\0')) throw wrong(`${what} has the character U+0000 in it, which MQTT does not allow`);
  if (LONE_SURROGATE.test(value)) throw wrong(`${what} has half of a surrogate pair in it: it cannot be sent as UTF-8`);
  if (Buffer.byteLength(value) > MAX_TEXT_BYTES) throw wrong(`${what} has at most ${MAX_TEXT_BYTES} bytes`);
  return value;
}

/**
 * A topic that can be published to.
 * @param {string} what the option or argument
 * @param {unknown} value
 * @returns {string}
 * @throws {JobberError} `bad-request`
 */
export function topicName(what, value) {
  const topic = text(what, value);
  if (topic === '') throw wrong(`${what} is empty`);
  if (/[+#]/.test(topic)) throw wrong(`${what} has a wildcard in it: nothing can be published to ${JSON.stringify(topic)}`);
  return topic;
}

/** @param {unknown} value @returns {Buffer} */
function binary(value) {
  const bytes = typeof value === 'string' ? Buffer.from(value) : bytesOf(value);
  if (bytes === null) throw wrong('correlationData is bytes or a text');
  if (bytes.length > MAX_TEXT_BYTES) throw wrong(`correlationData has at most ${MAX_TEXT_BYTES} bytes`);
  return bytes;
}

/**
 * The same memory as a `Buffer`, whatever kind of view of it was given; null if it is no bytes.
 * @param {unknown} value
 * @returns {Buffer | null}
 */
export function bytesOf(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return null;
}

/** @param {unknown} value @returns {number} */
function expiry(value) {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_EXPIRY) {
    throw wrong(`messageExpiryInterval is a whole number of seconds, from 0 to ${MAX_EXPIRY}`);
  }
  return value;
}

/** @param {unknown} given @returns {[string, string][]} */
function writeUserProperties(given) {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrong('userProperties is an object: the value of each name is a text, or a list of texts');
  }
  /** @type {[string, string][]} */
  const pairs = [];
  for (const [name, value] of Object.entries(given)) {
    text('the name of a user property', name);
    for (const each of Array.isArray(value) ? value : [value]) {
      const what = `the user property ${JSON.stringify(name)}`;
      pairs.push([name, text(what, typeof each === 'number' ? String(each) : each)]);
    }
  }
  return pairs;
}

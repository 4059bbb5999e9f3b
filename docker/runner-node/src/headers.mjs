// Headers of answers: checked here, so that a mistake is the handler's error and not a broken answer.

import { MAX_HEAD_BYTES } from './frames.mjs';
import { JobberError } from './errors.mjs';

/** @typedef {[string, string]} Header */

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// What Node's own server accepts: visible characters, blanks and tabs, and the upper half of Latin-1.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that say how two neighbours talk; they are not the function's to set. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * @param {unknown} name
 * @returns {string} in lower case
 * @throws {JobberError}
 */
export function headerName(name) {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new JobberError('bad-header', `not a header's name: ${JSON.stringify(name)}`);
  }
  return name.toLowerCase();
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {string}
 * @throws {JobberError}
 */
export function headerValue(name, value) {
  const text = String(value);
  if (value === undefined || value === null || !VALUE.test(text)) {
    throw new JobberError('bad-header', `not a value for the header ${name}: ${JSON.stringify(value)}`);
  }
  return text;
}

/**
 * @param {unknown} status
 * @returns {number}
 * @throws {JobberError}
 */
export function statusCode(status) {
  const number = Number(status);
  if (!Number.isInteger(number) || number < 200 || number > 599) {
    throw new JobberError('bad-status', `not a status from 200 to 599: ${String(status)}`);
  }
  return number;
}

/**
 * The headers without those that are between neighbours, including those that `Connection` names.
 * @param {Header[]} headers with names in lower case
 * @returns {Header[]}
 */
export function endToEnd(headers) {
  if (!headers.some(([name]) => HOP_BY_HOP.has(name))) return headers;
  const dropped = new Set(HOP_BY_HOP);
  for (const [name, value] of headers) {
    if (name !== 'connection') continue;
    for (const named of value.split(',')) dropped.add(named.trim().toLowerCase());
  }
  return headers.filter(([name]) => !dropped.has(name));
}

/** @type {Map<string, string>} */
const plainHeads = new Map();
const MAX_PLAIN_HEADS = 256;

/**
 * The head of a RESPONSE that has a content type at most, which most have: made once for each.
 * @param {number} status
 * @param {string | null} contentType
 */
export function plainHead(status, contentType) {
  const key = `${status}${contentType ?? ''}`;
  const known = plainHeads.get(key);
  if (known !== undefined) return known;
  const head = responseHead(status, contentType === null ? [] : [['content-type', contentType]]);
  if (plainHeads.size < MAX_PLAIN_HEADS) plainHeads.set(key, head);
  return head;
}

/**
 * The head of a RESPONSE.
 * @param {number} status
 * @param {Header[]} headers checked ones
 * @throws {JobberError} if they do not fit
 */
export function responseHead(status, headers) {
  const head = `{"status":${status},"headers":${JSON.stringify(endToEnd(headers))}}`;
  if (head.length > MAX_HEAD_BYTES / 3 && Buffer.byteLength(head) > MAX_HEAD_BYTES) {
    throw new JobberError('headers-too-large', `the answer's headers have more than ${MAX_HEAD_BYTES} bytes`);
  }
  return head;
}

/**
 * @typedef {object} CookieOptions
 * @property {string} [domain]
 * @property {Date} [expires]
 * @property {boolean} [httpOnly]
 * @property {number} [maxAge] seconds
 * @property {boolean} [partitioned]
 * @property {string} [path] `/` if not given
 * @property {'Strict' | 'Lax' | 'None' | 'strict' | 'lax' | 'none'} [sameSite]
 * @property {boolean} [secure]
 */

/**
 * The value of a `Set-Cookie` header.
 * @param {string} name
 * @param {string} value is percent-encoded where it must be
 * @param {CookieOptions} [options]
 * @throws {JobberError}
 */
export function setCookie(name, value, options = {}) {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new JobberError('bad-header', `not a cookie's name: ${JSON.stringify(name)}`);
  }
  const parts = [`${name}=${encodeURIComponent(String(value))}`, `Path=${options.path ?? '/'}`];
  if (options.domain !== undefined) parts.push(`Domain=${options.domain}`);
  if (options.maxAge !== undefined) parts.push(`Max-Age=${Math.trunc(options.maxAge)}`);
  if (options.expires !== undefined) parts.push(`Expires=${options.expires.toUTCString()}`);
  if (options.httpOnly === true) parts.push('HttpOnly');
  if (options.secure === true) parts.push('Secure');
  if (options.sameSite !== undefined) {
    parts.push(`SameSite=${options.sameSite[0].toUpperCase()}${options.sameSite.slice(1).toLowerCase()}`);
  }
  if (options.partitioned === true) parts.push('Partitioned');
  for (const part of parts.slice(1)) {
    if (part.includes(';')) throw new JobberError('bad-header', `not an attribute of a cookie: ${JSON.stringify(part)}`);
  }
  return headerValue('set-cookie', parts.join('; '));
}

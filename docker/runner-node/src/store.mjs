// The job's key/value store, as `context` offers it.

import { JobberError } from './errors.mjs';

const MAX_KEY_BYTES = 512;
const DEFAULT_LIST_LIMIT = 100;
const MAX_LIST_LIMIT = 1_000;

/**
 * An item of the store. Times are Unix seconds.
 * @template T
 * @typedef {object} StoreItem
 * @property {string} key
 * @property {T} value
 * @property {number | null} expiry
 * @property {number} created
 * @property {number} modified
 */

/** @typedef {{ttl?: number}} SetOptions `ttl` in seconds */

/** @param {unknown} key @returns {string} */
function checkKey(key) {
  if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new JobberError('bad-request', `a key is a text of 1 to ${MAX_KEY_BYTES} bytes`);
  }
  return key;
}

/** @param {unknown} value @returns {Uint8Array} */
function toBytes(value) {
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new JobberError('bad-request', 'a value is a text or bytes; setStoreJson takes anything that JSON can hold');
}

/** @param {unknown} value @returns {string} */
function toJson(value) {
  const json = JSON.stringify(value);
  if (json === undefined) throw new JobberError('bad-request', 'this value has no JSON form');
  return json;
}

/** @param {SetOptions} [options] @returns {{ttl?: number}} */
function ttlOf(options) {
  const ttl = options?.ttl;
  if (ttl === undefined || ttl === null) return {};
  if (typeof ttl !== 'number' || !Number.isFinite(ttl) || ttl <= 0) {
    throw new JobberError('bad-request', 'ttl is a number of seconds, more than 0');
  }
  return { ttl };
}

/**
 * @template T
 * @param {string} key
 * @param {T} value
 * @param {any} head
 * @returns {StoreItem<T>}
 */
function item(key, value, head) {
  return { key, value, expiry: head.expiry ?? null, created: head.created, modified: head.modified };
}

/** The store's methods over a session's calls. */
export class Store {
  #calls;

  /** @param {import('./calls.mjs').Calls} calls */
  constructor(calls) {
    this.#calls = calls;
  }

  /**
   * @param {string} key
   * @returns {Promise<StoreItem<Buffer> | null>}
   */
  async get(key) {
    const { head, body } = await this.#calls.call({ method: 'store.get', key: checkKey(key) });
    return head.found === true ? item(key, body, head) : null;
  }

  /**
   * @template T
   * @param {string} key
   * @param {T} value
   * @param {SetOptions} [options]
   * @returns {Promise<StoreItem<T>>}
   */
  async set(key, value, options) {
    const { head } = await this.#calls.call({ method: 'store.set', key: checkKey(key), ...ttlOf(options) }, toBytes(value));
    return item(key, value, head);
  }

  /**
   * @template T
   * @param {string} key
   * @param {T} value
   * @param {SetOptions} [options]
   * @returns {Promise<StoreItem<T>>}
   */
  async setJson(key, value, options) {
    const { expiry, created, modified } = await this.set(key, toJson(value), options);
    return { key, value, expiry, created, modified };
  }

  /**
   * Removes an item and tells what it was. Of several that remove it at once only one gets it.
   * @param {string} key
   * @returns {Promise<StoreItem<Buffer> | null>}
   */
  async delete(key) {
    const before = await this.get(key);
    if (before === null) return null;
    const { head } = await this.#calls.call({ method: 'store.delete', key });
    return head.found === true ? before : null;
  }

  /**
   * @param {string} key
   * @param {number} by
   * @param {SetOptions} [options]
   * @returns {Promise<number>}
   */
  async increment(key, by = 1, options) {
    if (!Number.isSafeInteger(by)) throw new JobberError('bad-request', 'increment takes a whole number');
    const request = { method: 'store.increment', key: checkKey(key), by, ...ttlOf(options) };
    const { head } = await this.#calls.call(request);
    return head.value;
  }

  /**
   * @param {string} key
   * @param {string | Uint8Array | null} expected null: the key must not be there
   * @param {string | Uint8Array} value
   * @param {SetOptions} [options]
   * @returns {Promise<boolean>} whether it was as expected, and is the new value now
   */
  async compareAndSet(key, expected, value, options) {
    const old = expected === null ? null : toBytes(expected);
    const request = {
      method: 'store.compareAndSet',
      key: checkKey(key),
      expectedLength: old === null ? null : old.length,
      ...ttlOf(options),
    };
    const next = toBytes(value);
    const { head } = await this.#calls.call(request, old === null ? next : Buffer.concat([old, next]));
    return head.swapped === true;
  }

  /**
   * One page of the keys that begin with a prefix, in the order of their bytes.
   * @param {string} prefix
   * @param {{limit?: number, after?: string}} [options]
   * @returns {Promise<{items: {key: string, size: number, expiry: number | null, created: number, modified: number}[], next: string | null}>}
   */
  async list(prefix = '', options = {}) {
    const { limit = DEFAULT_LIST_LIMIT, after } = options;
    if (typeof prefix !== 'string') throw new JobberError('bad-request', 'a prefix is a text');
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST_LIMIT) {
      throw new JobberError('bad-request', `limit is a whole number from 1 to ${MAX_LIST_LIMIT}`);
    }
    const { body } = await this.#calls.call({ method: 'store.list', prefix, limit, ...(after && { after }) });
    const page = JSON.parse(body.toString());
    return { items: page.items, next: page.next ?? null };
  }
}

/**
 * The same item with its value as text.
 * @param {StoreItem<Buffer> | null} found
 * @returns {StoreItem<string> | null}
 */
export function asText(found) {
  return found === null ? null : { ...found, value: found.value.toString() };
}

/**
 * The same item with its value parsed.
 * @param {StoreItem<Buffer> | null} found
 * @returns {StoreItem<any> | null}
 * @throws {JobberError} if the value is not JSON
 */
export function asJson(found) {
  if (found === null) return null;
  try {
    return { ...found, value: JSON.parse(found.value.toString()) };
  } catch (cause) {
    throw new JobberError('bad-json', `the value of ${JSON.stringify(found.key)} is not JSON`, { cause });
  }
}

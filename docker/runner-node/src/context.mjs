// What a handler gets as `context`, in both dialects.

import { publish } from './publish.mjs';
import { asJson, asText } from './store.mjs';

/** @typedef {import('./store.mjs').SetOptions} SetOptions */

const NO_PARAMS = Object.freeze({});

/** Everything that belongs to an invocation and is not its input or output. */
export class Context {
  #invocation;
  #store;

  /** @param {import('./invocation.mjs').Invocation} invocation */
  constructor(invocation) {
    this.#invocation = invocation;
    this.#store = invocation.session.store;
  }

  /** The job's variables. */
  get env() {
    return this.#invocation.session.environment;
  }

  /** Aborted when nobody waits for this invocation any more. */
  get signal() {
    return this.#invocation.signal;
  }

  /** The invocation's id, as in the log and in `X-Jobber-Invocation`. */
  get invocationId() {
    return this.#invocation.id;
  }

  /** 1, and more when it is tried again. */
  get attempt() {
    return this.#invocation.head.attempt;
  }

  /** The span of this invocation, as W3C Trace Context writes it; null if the manager names none. */
  get traceparent() {
    return this.#invocation.head.traceparent ?? null;
  }

  /** What vendors say of the trace, or null. */
  get tracestate() {
    return this.#invocation.head.tracestate ?? null;
  }

  /** The trigger's name, or null. */
  get trigger() {
    return this.#invocation.head.trigger.name ?? null;
  }

  /** The route's parameters. */
  get params() {
    return this.#invocation.head.http?.params ?? NO_PARAMS;
  }

  /** The client's address, or null. */
  get ip() {
    return this.#invocation.head.http?.ip ?? null;
  }

  /**
   * Keeps the invocation open until the promise has settled; the answer does not wait for it.
   * @param {Promise<unknown>} promise
   */
  waitUntil(promise) {
    this.#invocation.waitUntil(promise);
  }

  /** Here because modules written for other platforms call it. There is nothing to pass through to. */
  passThroughOnException() {}

  /**
   * Writes to the log, with a level and fields.
   * @param {'debug' | 'info' | 'warn' | 'error'} level
   * @param {unknown} message
   * @param {object} [fields]
   */
  log(level, message, fields) {
    this.#invocation.session.log(this.#invocation, level, message, fields);
  }

  /** @param {string} key @param {string | Uint8Array} value @param {SetOptions} [options] */
  async setStore(key, value, options) {
    return this.#store.set(key, value, options);
  }

  /** @param {string} key */
  async getStore(key) {
    return asText(await this.#store.get(key));
  }

  /** @param {string} key */
  async deleteStore(key) {
    return asText(await this.#store.delete(key));
  }

  /** @param {string} key @param {unknown} value @param {SetOptions} [options] */
  async setStoreJson(key, value, options) {
    return this.#store.setJson(key, value, options);
  }

  /** @param {string} key */
  async getStoreJson(key) {
    return asJson(await this.#store.get(key));
  }

  /** @param {string} key */
  async deleteStoreJson(key) {
    return asJson(await this.#store.delete(key));
  }

  /** @param {string} key */
  async getStoreBuffer(key) {
    return this.#store.get(key);
  }

  /** @param {string} key @param {number} [by] @param {SetOptions} [options] */
  async increment(key, by, options) {
    return this.#store.increment(key, by, options);
  }

  /**
   * @param {string} key
   * @param {string | Uint8Array | null} expected
   * @param {string | Uint8Array} value
   * @param {SetOptions} [options]
   */
  async compareAndSet(key, expected, value, options) {
    return this.#store.compareAndSet(key, expected, value, options);
  }

  /** @param {string} [prefix] @param {{limit?: number, after?: string}} [options] */
  async list(prefix, options) {
    return this.#store.list(prefix, options);
  }

  /**
   * Publishes a message on the job's MQTT connection.
   * @param {string} topic
   * @param {unknown} body a text, bytes, or anything that JSON can hold
   * @param {import('./publish.mjs').PublishOptions} [options]
   * @returns {Promise<void>} resolves when the broker has acknowledged it
   */
  publish(topic, body, options) {
    return publish(this.#invocation, topic, body, options);
  }
}

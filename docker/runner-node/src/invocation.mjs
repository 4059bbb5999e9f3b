// One invocation: its input, its answer, and when it is settled. Knows nothing of dialects.

import { runAs } from './current.mjs';
import { abortReason, describe } from './errors.mjs';
import { FLAG, TYPE } from './frames.mjs';
import { Input } from './streams/input.mjs';
import { Output } from './streams/output.mjs';

/**
 * The head of an INVOKE; see the protocol §5.
 * @typedef {object} InvokeHead
 * @property {string} id
 * @property {number} attempt
 * @property {number} timeoutMs
 * @property {'http' | 'mqtt' | 'schedule'} kind
 * @property {{id: string, name: string | null}} trigger
 * @property {HttpHead} [http]
 * @property {{topic: string, qos: number, retain: boolean, duplicate: boolean, properties: object}} [mqtt]
 * @property {{scheduledAt: string}} [schedule]
 */

/**
 * @typedef {object} HttpHead
 * @property {string} method
 * @property {string} target
 * @property {string} scheme
 * @property {string} authority
 * @property {[string, string][]} headers
 * @property {Record<string, string>} params
 * @property {string} ip
 * @property {number} [size]
 */

/** One execution of the handler. */
export class Invocation {
  #session;
  #stream;
  #handlerDone = false;
  #waiting = 0;
  #closed = false;
  /** @type {unknown} what it was aborted with */
  #aborted = null;
  /** @type {AbortController | null} made when somebody asks for the signal */
  #controller = null;
  /** @type {((reason: unknown) => void)[]} */
  #onAbort = [];

  /**
   * @param {import('./session.mjs').Session} session
   * @param {number} stream
   * @param {InvokeHead} head
   * @param {Buffer} body
   * @param {boolean} whole
   */
  constructor(session, stream, head, body, whole) {
    this.#session = session;
    this.#stream = stream;
    this.head = head;
    this.input = new Input(session, stream, body, whole);
    this.output = new Output(session, stream, this);
    /** @type {Map<string, string> | null} beginnings of lines that it has written; kept by the log */
    this.partialLines = null;
  }

  get id() {
    return this.head.id;
  }

  get session() {
    return this.#session;
  }

  /** Whether it has been cancelled or has failed. */
  get aborted() {
    return this.#aborted !== null;
  }

  /** Whether the manager has been told its end. */
  get closed() {
    return this.#closed;
  }

  /** Aborted when the client goes away, the time is over, the runner shuts down, or the invocation has failed. */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted !== null) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /**
   * Calls back when the invocation is aborted; at once if it is already.
   * @param {(reason: unknown) => void} callback
   */
  onAbort(callback) {
    if (this.#aborted !== null) callback(this.#aborted);
    else this.#onAbort.push(callback);
  }

  /**
   * The handler has finished; its answer, if it has not begun yet, is this.
   * @param {string} head
   * @param {Uint8Array | string | null} body
   */
  complete(head, body) {
    this.#handlerDone = true;
    if (this.#closed) return;
    if (this.output.begun || this.#aborted !== null) this.#settle();
    else this.output.respond(head, body);
  }

  /** The handler has finished; there is nothing to answer, or the answer has begun already. */
  done() {
    this.#handlerDone = true;
    this.#settle();
  }

  /**
   * The invocation goes on until this has settled.
   * @param {unknown} promise
   */
  waitUntil(promise) {
    this.#waiting += 1;
    Promise.resolve(promise).then(
      () => {
        this.#waiting -= 1;
        this.#settle();
      },
      (error) => {
        this.#waiting -= 1;
        this.fail(error);
      },
    );
  }

  /** See `Owner` in streams/output.mjs. */
  closingFlag() {
    if (!this.#handlerDone || this.#waiting > 0) return 0;
    this.#session.flushLog(this);
    return FLAG.SETTLED;
  }

  /** See `Owner` in streams/output.mjs. */
  outputEnded() {
    if (this.#handlerDone && this.#waiting === 0) this.#close();
  }

  #settle() {
    if (this.#closed || !this.#handlerDone || this.#waiting > 0 || this.output.open) return;
    this.#session.flushLog(this);
    this.#session.send(TYPE.SETTLED, FLAG.SETTLED, this.#stream);
    this.#close();
  }

  /**
   * The handler threw this, or something that it started did.
   * @param {unknown} thrown
   */
  fail(thrown) {
    if (this.#closed) {
      this.#session.logLate(this, thrown);
      return;
    }
    this.#session.flushLog(this);
    const head = JSON.stringify({ error: describe(thrown) });
    this.#session.send(TYPE.FAILED, FLAG.SETTLED, this.#stream, head);
    this.#close();
    this.#abort(abortReason('failed'));
  }

  /**
   * Nobody waits for it any more.
   * @param {string} reason
   */
  cancel(reason) {
    if (this.#closed || this.#aborted !== null) return;
    this.#abort(abortReason(reason));
    this.#settle();
  }

  /** @param {unknown} reason */
  #abort(reason) {
    if (this.#aborted !== null) return;
    this.#aborted = reason;
    this.input.fail(reason);
    this.output.kill(reason);
    const callbacks = this.#onAbort;
    this.#onAbort = [];
    const controller = this.#controller;
    if (callbacks.length === 0 && controller === null) return;
    // What is told is the function's code: what it logs and throws belongs to this invocation.
    runAs(this, () => {
      for (const callback of callbacks) callback(reason);
      controller?.abort(reason);
    });
  }

  #close() {
    this.#closed = true;
    this.#session.forget(this.#stream);
    if (!this.input.complete) this.input.fail(abortReason('over'));
  }
}

// One invocation: its input, its answer, and when it is settled. Knows nothing of dialects.

import { runAs } from './current.mjs';
import { abortReason, describe } from './errors.mjs';
import { FLAG, TYPE } from './frames.mjs';
import { Input } from './streams/input.mjs';
import { Output } from './streams/output.mjs';

/**
 * A message of an MQTT topic; `properties` is empty in MQTT 3.1.1.
 * @typedef {object} MqttHead
 * @property {string} topic
 * @property {0 | 1 | 2} qos
 * @property {boolean} retain
 * @property {boolean} duplicate
 * @property {import('./mqtt.mjs').WireProperties} [properties]
 */

/**
 * The head of an INVOKE; see the protocol §5.
 * @typedef {object} InvokeHead
 * @property {string} id
 * @property {number} attempt
 * @property {number} timeoutMs
 * @property {'http' | 'mqtt' | 'schedule'} kind
 * @property {string} [traceparent]
 * @property {string} [tracestate]
 * @property {{id: string, name: string | null}} trigger
 * @property {HttpHead} [http]
 * @property {MqttHead} [mqtt]
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

/**
 * A request has the trace in its header too: that is where code looks for it that knows nothing of Jobber. The manager
 * has taken the client's own fields out.
 * @param {[string, string][]} headers
 * @param {InvokeHead} head
 */
function addTrace(headers, { traceparent, tracestate }) {
  if (traceparent !== undefined) headers.push(['traceparent', traceparent]);
  if (tracestate !== undefined) headers.push(['tracestate', tracestate]);
}

/** One execution of the handler. */
export class Invocation {
  #session;
  #stream;
  /** The body, or its first part. */
  #body;
  #whole;
  /** @type {Input | null} made when the body is not whole, or somebody reads it in parts */
  #input = null;
  /** @type {Output | null} made when there is an answer */
  #output = null;
  #handlerDone = false;
  #waiting = 0;
  #closed = false;
  /** @type {unknown} what it was aborted with */
  #aborted = null;
  /** @type {AbortController | null} made when somebody asks for the signal */
  #controller = null;
  /** @type {Set<(reason: unknown) => void> | null} made when the first one is added */
  #onAbort = null;

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
    if (head.http) addTrace(head.http.headers, head);
    this.#body = body;
    this.#whole = whole;
    /** @type {Map<'stdout' | 'stderr', import('./lines.mjs').PartialLine> | null} beginnings of lines that it has written; kept by the log */
    this.partialLines = null;
  }

  get id() {
    return this.head.id;
  }

  get session() {
    return this.#session;
  }

  /** The body, if all of it came with the head and nobody has begun to read it in parts; else null. */
  get body() {
    return this.#whole && this.#input === null ? this.#body : null;
  }

  get input() {
    this.#input ??= new Input(this.#session, this.#stream, this.#body, this.#whole);
    return this.#input;
  }

  get output() {
    this.#output ??= new Output(this.#session, this.#stream, this);
    return this.#output;
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
    else (this.#onAbort ??= new Set()).add(callback);
  }

  /**
   * The handler has finished; its answer, if it has not begun yet, is this.
   * @param {string} head
   * @param {Uint8Array | string | null} body
   */
  complete(head, body) {
    this.#handlerDone = true;
    if (this.#closed) return;
    if (this.#output?.begun || this.#aborted !== null) this.#settle();
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

  /**
   * The invocation goes on until this has settled, but does not fail with it: a failure is for whoever has the promise,
   * and if that is nobody, it is an unhandled rejection like any other.
   * @param {Promise<void>} work
   * @returns {Promise<void>} the same; rejects early if the invocation is aborted, so that its handler can let go
   */
  hold(work) {
    if (this.#closed || this.#aborted !== null) return work;
    this.#waiting += 1;
    const release = () => {
      this.#waiting -= 1;
      this.#settle();
    };
    /** @type {Promise<void>} */
    const held = new Promise((resolve, reject) => {
      /** @param {unknown} reason */
      const stop = (reason) => {
        // Whoever does not wait for it must not be punished for the abort.
        held.catch(() => {});
        reject(reason);
        release();
      };
      const settled = () => {
        // Not before a rejection has come up as unhandled, or what was chained to this has been begun: that is when the
        // microtasks have run.
        if (this.#onAbort?.delete(stop)) setImmediate(release);
      };
      this.onAbort(stop);
      work.then(resolve, reject).then(settled);
    });
    return held;
  }

  /** See `Owner` in streams/output.mjs. */
  closingFlag() {
    if (!this.#handlerDone || this.#waiting > 0) return 0;
    this.#session.beforeEnd(this);
    return FLAG.SETTLED;
  }

  /** See `Owner` in streams/output.mjs. */
  outputEnded() {
    if (this.#handlerDone && this.#waiting === 0) this.#close();
  }

  #settle() {
    if (this.#closed || !this.#handlerDone || this.#waiting > 0 || this.#output?.open) return;
    this.#session.beforeEnd(this);
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
    this.#session.beforeEnd(this);
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
    this.#onAbort = null;
    const controller = this.#controller;
    if (callbacks === null && controller === null) return;
    // What is told is the function's code: what it logs and throws belongs to this invocation.
    runAs(this, () => {
      for (const callback of callbacks ?? []) callback(reason);
      controller?.abort(reason);
    });
  }

  #close() {
    this.#closed = true;
    this.#session.forget(this.#stream);
    // What is whole can be read for ever.
    if (this.#input !== null || !this.#whole) this.#endInput();
  }

  #endInput() {
    if (!this.input.complete) this.input.fail(abortReason('over'));
  }
}

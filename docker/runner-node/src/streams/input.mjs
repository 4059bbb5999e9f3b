// The body of an invocation's input: whole from the start, or coming in parts. What the handler has not taken yet is
// bounded by the credit that the manager was given.

import { TYPE, ProtocolError } from '../frames.mjs';

const EMPTY = Buffer.alloc(0);

/** The part of the window that is taken before credit is granted anew: fewer frames at no loss of pace. */
const GRANT_FRACTION = 4;

/** One invocation's input. */
export class Input {
  #session;
  #stream;
  /** @type {Buffer[]} */
  #chunks = [];
  /** Bytes that may still arrive. */
  #window;
  #grantAbove;
  #taken = 0;
  #complete;
  #stopped = false;
  /** @type {unknown} */
  #error;
  #failed = false;
  /** @type {(() => void) | null} */
  #wake = null;
  #claimed = false;
  /** Bytes at the front of `#chunks` for which credit was granted already. */
  #granted = 0;

  /**
   * @param {import('../session.mjs').Session} session
   * @param {number} stream
   * @param {Buffer} first
   * @param {boolean} complete
   */
  constructor(session, stream, first, complete) {
    this.#session = session;
    this.#stream = stream;
    this.#complete = complete;
    this.#window = session.credit - first.length;
    this.#grantAbove = session.credit / GRANT_FRACTION;
    if (first.length > 0) this.#chunks.push(first);
  }

  /** Whether the whole body has arrived. */
  get complete() {
    return this.#complete;
  }

  /** Whether the handler has asked for this body (as a stream, or to be collected). */
  get claimed() {
    return this.#claimed;
  }

  /**
   * A DATA frame has come.
   * @param {Buffer} chunk
   * @param {boolean} last
   */
  push(chunk, last) {
    if (this.#complete) throw new ProtocolError('state', 'DATA after the end of the input');
    this.#window -= chunk.length;
    if (this.#window < 0) throw new ProtocolError('credit', 'DATA beyond the credit');
    this.#complete = last;
    if (this.#stopped || this.#failed) return;
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#notify();
  }

  /**
   * The input ends here: reading it rejects from now on.
   * @param {unknown} error
   */
  fail(error) {
    if (this.#failed || (this.#complete && this.#chunks.length === 0)) return;
    this.#failed = true;
    this.#error = error;
    this.#chunks = [];
    this.#notify();
  }

  /** The handler does not want the rest. */
  stop() {
    // What has failed has ended: its stream may be closed by now.
    if (this.#stopped || this.#failed) return;
    this.#stopped = true;
    this.#chunks = [];
    if (!this.#complete) this.#session.send(TYPE.STOP_READING, 0, this.#stream);
  }

  #notify() {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /**
   * The next part, `null` at the end, `undefined` if there is none yet.
   * @returns {Buffer | null | undefined}
   * @throws what the input failed with
   */
  next() {
    if (this.#failed) throw this.#error;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      if (this.#granted > 0) this.#granted -= chunk.length;
      else this.#grant(chunk.length);
      return chunk;
    }
    return this.#complete || this.#stopped ? null : undefined;
  }

  /** @param {number} bytes */
  #grant(bytes) {
    this.#taken += bytes;
    if (this.#complete || this.#taken < this.#grantAbove) return;
    this.#session.send(TYPE.CREDIT, 0, this.#stream, `{"bytes":${this.#taken}}`);
    this.#window += this.#taken;
    this.#taken = 0;
  }

  /**
   * Calls back, once, when `next` has something new to say.
   * @param {() => void} callback
   */
  whenNext(callback) {
    this.#wake = callback;
  }

  /** The whole body if it is there, without a copy where it came in one part. */
  whole() {
    const { length } = this.#chunks;
    if (length === 0) return EMPTY;
    return length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
  }

  /**
   * Waits until the body is complete or has more than `limit` bytes. Its parts stay here.
   * @param {number} limit
   * @returns {Promise<boolean>} whether it is complete
   */
  async collect(limit) {
    const kept = [];
    let size = 0;
    for (;;) {
      const chunk = this.next();
      if (chunk === null) break;
      if (chunk === undefined) {
        await new Promise((resolve) => this.whenNext(() => resolve(undefined)));
        continue;
      }
      kept.push(chunk);
      size += chunk.length;
      if (size > limit) {
        this.#chunks.unshift(...kept);
        this.#granted = size;
        return false;
      }
    }
    this.#chunks = kept;
    return true;
  }

  /** The body as a web stream. Can be taken once. */
  stream() {
    this.#claimed = true;
    return new ReadableStream(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => this.stop(),
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * @param {ReadableStreamDefaultController<Uint8Array>} controller
   * @returns {void | Promise<void>}
   */
  #pull(controller) {
    const chunk = this.next();
    if (chunk === null) controller.close();
    else if (chunk !== undefined) controller.enqueue(chunk);
    else return new Promise((resolve) => this.whenNext(() => resolve(undefined))).then(() => this.#pull(controller));
  }
}

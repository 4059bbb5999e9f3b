// The body of an invocation's answer: whole in one frame where it fits, else in parts as the manager gives credit.

import { CHUNK_BYTES, FLAG, TYPE } from '../frames.mjs';
import { JobberError } from '../errors.mjs';
import { NO_HEAD } from '../writer.mjs';

/** A handler that writes without waiting is told so when this much is waiting to be sent. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

const DONE = Promise.resolve();
const EMPTY = Buffer.alloc(0);

/** @typedef {{bytes: Uint8Array, at: number, resolve: () => void, reject: (error: unknown) => void}} Entry */

/**
 * What an output tells its invocation.
 * @typedef {object} Owner
 * @property {() => number} closingFlag `FLAG.SETTLED` if nothing but the end of the output keeps the stream open
 * @property {() => void} outputEnded the last frame of the output was sent
 */

/** One invocation's output. */
export class Output {
  #session;
  #stream;
  #owner;
  #credit;
  /** @type {string | null} the head of the RESPONSE while that has not been sent */
  #head = null;
  /** @type {'unused' | 'open' | 'ended' | 'dead'} */
  #state = 'unused';
  /** @type {Entry[]} */
  #queue = [];
  #queued = 0;
  #ending = false;
  #waitsForDrain = false;
  /** @type {unknown} */
  #error;

  /**
   * @param {import('../session.mjs').Session} session
   * @param {number} stream
   * @param {Owner} owner
   */
  constructor(session, stream, owner) {
    this.#session = session;
    this.#stream = stream;
    this.#owner = owner;
    this.#credit = session.credit;
  }

  /** Whether an answer has begun: its status and headers are fixed. */
  get begun() {
    return this.#state === 'open' || this.#state === 'ended';
  }

  /** Whether an answer has begun whose end is still to come. */
  get open() {
    return this.#state === 'open';
  }

  /** Whether there will be no more writing, by `end` or because nobody listens. */
  get closed() {
    return this.#ending || this.#state === 'ended' || this.#state === 'dead';
  }

  /**
   * Answers with a whole body.
   * @param {string} head the RESPONSE's head as JSON
   * @param {Uint8Array | string | null} body
   */
  respond(head, body) {
    if (this.#state !== 'unused') return;
    const room = Math.min(CHUNK_BYTES, this.#credit);
    if (typeof body === 'string' && body.length * 3 > room) body = Buffer.from(body);
    if (body === null || typeof body === 'string' || body.length <= room) {
      this.#state = 'ended';
      this.#session.send(TYPE.RESPONSE, FLAG.END | this.#owner.closingFlag(), this.#stream, head, body);
      this.#owner.outputEnded();
      return;
    }
    this.#state = 'open';
    this.#head = head;
    this.#ending = true;
    this.#enqueue(body, ignore, ignore);
    this.#pump();
  }

  /**
   * Begins an answer whose body follows by `write`. The head goes out with the first part, or at the end of this turn.
   * @param {string} head
   */
  begin(head) {
    if (this.#state !== 'unused') return;
    this.#state = 'open';
    this.#head = head;
    setImmediate(() => {
      if (this.#state === 'open' && this.#head !== null) this.#part(EMPTY, false);
    });
  }

  /**
   * Adds to the body. The bytes must not change until the promise has resolved.
   * @param {Uint8Array} bytes
   * @returns {Promise<void>} resolves when all of it was sent: when there was credit for it
   */
  write(bytes) {
    if (this.#state === 'dead') return rejected(this.#error);
    if (this.closed || this.#state === 'unused') {
      // This one is a mistake, and must not be silent.
      return Promise.reject(new JobberError('already-answered', 'the answer has ended; nothing can be added to it'));
    }
    if (bytes.length === 0) return DONE;
    if (this.#queued > MAX_QUEUED_BYTES) {
      const message = `${this.#queued} bytes wait to be sent: wait for the promise that write() returns`;
      return rejected(new JobberError('write-queue-full', message));
    }
    const idle = this.#queue.length === 0;
    /** @type {Promise<void>} */
    const sent = new Promise((resolve, reject) => this.#enqueue(bytes, resolve, reject));
    // Whoever does not look at the promise must not be punished by an unhandled rejection.
    sent.catch(ignore);
    if (idle) this.#pump();
    return sent;
  }

  /** The body is complete. */
  end() {
    if (this.closed || this.#state === 'unused') return;
    this.#ending = true;
    if (this.#queue.length === 0) this.#pump();
  }

  /**
   * The manager took so many bytes.
   * @param {number} bytes
   */
  addCredit(bytes) {
    this.#credit += bytes;
    this.#pump();
  }

  /**
   * Nobody listens any more.
   * @param {unknown} error what waiting and later writes reject with
   */
  kill(error) {
    if (this.#state === 'ended' || this.#state === 'dead') return;
    this.#state = 'dead';
    this.#error = error;
    const queue = this.#queue;
    this.#queue = [];
    this.#queued = 0;
    for (const entry of queue) entry.reject(error);
  }

  /**
   * @param {Uint8Array} bytes
   * @param {() => void} resolve
   * @param {(error: unknown) => void} reject
   */
  #enqueue(bytes, resolve, reject) {
    this.#queue.push({ bytes, at: 0, resolve, reject });
    this.#queued += bytes.length;
  }

  #pump() {
    while (this.#state === 'open' && this.#queue.length > 0) {
      if (this.#credit <= 0 || this.#mustWait()) return;
      const entry = this.#queue[0];
      const { bytes, at } = entry;
      const end = at + Math.min(CHUNK_BYTES, this.#credit, bytes.length - at);
      const whole = end === bytes.length;
      if (whole) this.#queue.shift();
      entry.at = end;
      this.#queued -= end - at;
      this.#part(at === 0 && whole ? bytes : bytes.subarray(at, end), whole && this.#ending && this.#queue.length === 0);
      if (whole) entry.resolve();
    }
    if (this.#state === 'open' && this.#ending) this.#part(EMPTY, true);
  }

  /** The system does not take the bytes as fast as the manager gives credit for them. */
  #mustWait() {
    if (this.#waitsForDrain) return true;
    if (!this.#session.congested) return false;
    this.#waitsForDrain = true;
    this.#session.whenDrained(() => {
      this.#waitsForDrain = false;
      this.#pump();
    });
    return true;
  }

  /**
   * @param {Uint8Array} part
   * @param {boolean} last
   */
  #part(part, last) {
    this.#credit -= part.length;
    if (last) this.#state = 'ended';
    const flags = last ? FLAG.END | this.#owner.closingFlag() : 0;
    const head = this.#head;
    this.#head = null;
    this.#session.send(head === null ? TYPE.DATA : TYPE.RESPONSE, flags, this.#stream, head ?? NO_HEAD, part);
    if (last) this.#owner.outputEnded();
  }
}

function ignore() {}

/** @param {unknown} error @returns {Promise<never>} */
function rejected(error) {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

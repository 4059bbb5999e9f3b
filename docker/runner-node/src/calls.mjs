// Calls: what a runner asks the manager for, on streams of its own.

import { CALL_BYTES, MAX_HEAD_BYTES, ProtocolError, TYPE } from './frames.mjs';
import { JobberError } from './errors.mjs';

/** Most calls that are open at once; see the protocol §7. */
const MAX_OPEN = 64;
/** Most calls that wait for one of those. */
const MAX_WAITING = 10_000;
/** The last stream number of a call. */
const LAST_STREAM = 0xffff_fffe;

/**
 * @typedef {object} Call
 * @property {string} head
 * @property {Uint8Array | null} body
 * @property {(result: {head: any, body: Buffer}) => void} resolve
 * @property {(error: JobberError) => void} reject
 */

/** The open calls of one session. */
export class Calls {
  #session;
  #next = 2;
  /** @type {Map<number, Call>} */
  #open = new Map();
  /** @type {Call[]} */
  #waiting = [];

  /** @param {import('./session.mjs').Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * Asks the manager.
   * @param {object} head
   * @param {Uint8Array | null} [body]
   * @returns {Promise<{head: any, body: Buffer}>}
   * @throws {JobberError} what the manager refused it with
   */
  call(head, body = null) {
    const json = JSON.stringify(head);
    if (Buffer.byteLength(json) > MAX_HEAD_BYTES) {
      const message = `names and options of a call have at most ${MAX_HEAD_BYTES} bytes together`;
      return Promise.reject(new JobberError('too-large', message));
    }
    if (body !== null && body.length > CALL_BYTES) {
      return Promise.reject(new JobberError('too-large', `more than ${CALL_BYTES} bytes cannot be stored`));
    }
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new JobberError('unavailable', `${MAX_WAITING} calls are waiting already`));
    }
    return new Promise((resolve, reject) => {
      /** @type {Call} */
      const call = { head: json, body, resolve, reject };
      if (this.#open.size < MAX_OPEN) this.#send(call);
      else this.#waiting.push(call);
    });
  }

  /** @param {Call} call */
  #send(call) {
    if (this.#next > LAST_STREAM) {
      call.reject(new JobberError('unavailable', 'this runner has used up its calls'));
      return;
    }
    const stream = this.#next;
    this.#next += 2;
    this.#open.set(stream, call);
    this.#session.send(TYPE.CALL, 0, stream, call.head, call.body);
  }

  /**
   * A RESULT has come.
   * @param {number} stream
   * @param {any} head
   * @param {Buffer} body
   */
  result(stream, head, body) {
    const call = this.#open.get(stream);
    if (call === undefined) throw new ProtocolError('state', `RESULT on stream ${stream}, which is not open`);
    this.#open.delete(stream);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#send(next);
    if (head.ok === true) call.resolve({ head, body });
    else call.reject(new JobberError(String(head.code ?? 'unavailable'), String(head.message ?? 'the call failed')));
  }
}

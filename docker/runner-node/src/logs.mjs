// What a function writes, on its way to the manager: tagged with the invocation that wrote it, cut where it is too long,
// dropped and counted where there is too much.

import { inspect } from 'node:util';
import { currentInvocation } from './current.mjs';
import { TYPE } from './frames.mjs';
import { JobberError } from './errors.mjs';
import { MAX_BYTES, PartialLine, SURELY_SHORT, parts } from './lines.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */
/** @typedef {'stdout' | 'stderr'} StreamName */
/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/** The most bytes of a message's fields as JSON. */
const MAX_FIELDS_BYTES = 16_384;
/** The beginning of a line that no invocation owns is sent after this, even if no end follows. */
const PARTIAL_MS = 1_000;

/** @type {readonly string[]} */
const LEVELS = ['debug', 'info', 'warn', 'error'];

/** Sends the log of one session. */
export class Logs {
  #session;
  #dropped = 0;
  #waitsForDrain = false;
  /** Beginnings of lines that no invocation owns, by stream. @type {Map<StreamName, PartialLine>} */
  #partial = new Map();
  /** @type {NodeJS.Timeout | null} */
  #timer = null;

  /** @param {import('./session.mjs').Session} session */
  constructor(session) {
    this.#session = session;
  }

  /** From now on what the process writes to its standard output and error goes this way. */
  capture() {
    this.#captureStream('stdout');
    this.#captureStream('stderr');
  }

  /** @param {StreamName} name */
  #captureStream(name) {
    /**
     * @param {string | Uint8Array} chunk
     * @param {unknown} [encoding]
     * @param {unknown} [callback]
     */
    const write = (chunk, encoding, callback) => {
      this.#written(name, chunk, encoding);
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
    process[name].write = /** @type {typeof process.stdout.write} */ (write);
  }

  /**
   * The function wrote this.
   * @param {StreamName} stream
   * @param {string | Uint8Array} chunk
   * @param {unknown} encoding
   */
  #written(stream, chunk, encoding) {
    const invocation = currentInvocation() ?? null;
    const partial = this.#partialOf(invocation, stream);
    const { begun } = partial;
    const text = partial.decode(chunk, encoding);
    const end = text.lastIndexOf('\n');
    if (end !== -1) {
      let whole = text.slice(0, end);
      if (begun) {
        const first = text.indexOf('\n');
        partial.add(text.slice(0, first));
        whole = partial.take() + text.slice(first, end);
      }
      this.emit(invocation, stream, whole);
    }
    partial.add(text.slice(end + 1));
    if (partial.begun && (invocation === null || invocation.closed)) this.#flushSoon(invocation);
  }

  /**
   * @param {Invocation | null} invocation
   * @param {StreamName} stream
   */
  #partialOf(invocation, stream) {
    const partials = invocation === null ? this.#partial : (invocation.partialLines ??= new Map());
    let partial = partials.get(stream);
    if (partial === undefined) partials.set(stream, (partial = new PartialLine()));
    return partial;
  }

  /** @param {Invocation | null} invocation */
  #flushSoon(invocation) {
    if (invocation !== null) {
      setTimeout(() => this.flush(invocation), PARTIAL_MS).unref();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#flushMap(null, this.#partial);
    }, PARTIAL_MS).unref();
  }

  /**
   * Sends the beginnings of lines that an invocation has written.
   * @param {Invocation} invocation
   */
  flush(invocation) {
    if (invocation.partialLines !== null) this.#flushMap(invocation, invocation.partialLines);
  }

  /** Sends what is left, at the end of the process. */
  end() {
    this.#flushMap(null, this.#partial);
    this.#reportDropped();
  }

  /**
   * @param {Invocation | null} invocation
   * @param {Map<StreamName, PartialLine>} partials
   */
  #flushMap(invocation, partials) {
    for (const [stream, partial] of partials) if (partial.begun) this.emit(invocation, stream, partial.end());
  }

  /**
   * `context.log`.
   * @param {Invocation} invocation
   * @param {unknown} level
   * @param {unknown} message
   * @param {unknown} fields
   */
  log(invocation, level, message, fields) {
    if (!LEVELS.includes(/** @type {string} */ (level))) {
      throw new JobberError('bad-request', `a level is one of ${LEVELS.join(', ')}: ${String(level)}`);
    }
    const stream = level === 'warn' || level === 'error' ? 'stderr' : 'stdout';
    const text = typeof message === 'string' ? message : inspect(message);
    const json = fields === undefined ? null : fieldsJson(fields);
    this.emit(invocation, stream, text, /** @type {Level} */ (level), json);
  }

  /**
   * Sends one message.
   * @param {Invocation | null} invocation
   * @param {StreamName} stream
   * @param {string} text
   * @param {Level | null} [level]
   * @param {string | null} [fields] JSON
   */
  emit(invocation, stream, text, level = null, fields = null) {
    if (text.length <= SURELY_SHORT || Buffer.byteLength(text) <= MAX_BYTES) {
      this.#send(invocation, stream, text, level, fields);
      return;
    }
    for (const part of parts(text)) this.#send(invocation, stream, part, level, fields);
  }

  /**
   * @param {Invocation | null} invocation
   * @param {StreamName} stream
   * @param {string} text
   * @param {Level | null} level
   * @param {string | null} fields
   */
  #send(invocation, stream, text, level, fields) {
    if (this.#waitsForDrain) {
      this.#dropped += 1;
      return;
    }
    if (this.#session.congested) {
      this.#dropped += 1;
      this.#waitsForDrain = true;
      this.#session.whenDrained(() => this.#reportDropped());
      return;
    }
    let head = `{"stream":"${stream}","time":"${new Date().toISOString()}"`;
    if (invocation !== null) head += `,"invocation":"${invocation.id}"`;
    if (level !== null) head += `,"level":"${level}"`;
    if (fields !== null) head += `,"fields":${fields}`;
    this.#session.send(TYPE.LOG, 0, 0, `${head}}`, text);
  }

  #reportDropped() {
    this.#waitsForDrain = false;
    const dropped = this.#dropped;
    if (dropped === 0) return;
    this.#dropped = 0;
    // No text of its own: the manager says it in the log.
    const head = { stream: 'stderr', level: 'warn', time: new Date().toISOString(), dropped };
    this.#session.send(TYPE.LOG, 0, 0, JSON.stringify(head));
  }
}

/** @param {unknown} fields @returns {string} */
function fieldsJson(fields) {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new JobberError('bad-request', 'the fields of a log message are an object');
  }
  let json;
  try {
    json = JSON.stringify(fields);
  } catch (error) {
    json = JSON.stringify({ fieldsError: String(error) });
  }
  const bytes = Buffer.byteLength(json);
  return bytes <= MAX_FIELDS_BYTES ? json : JSON.stringify({ fieldsError: `${bytes} bytes of fields are too many` });
}

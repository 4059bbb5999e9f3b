// What a function writes, on its way to the manager: tagged with the invocation that wrote it, cut where it is too long,
// dropped and counted where there is too much.

import { inspect } from 'node:util';
import { currentInvocation } from './current.mjs';
import { CHUNK_BYTES, TYPE } from './frames.mjs';
import { JobberError } from './errors.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */
/** @typedef {'stdout' | 'stderr'} StreamName */
/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/** The longest line or message. */
const MAX_BYTES = CHUNK_BYTES;
/** A text so short cannot have more bytes than that, whatever is in it. */
const SURELY_SHORT = MAX_BYTES / 3;
/** Room for the note at the end of what was cut. */
const NOTE_BYTES = 64;
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
  /** Beginnings of lines that no invocation owns. @type {Map<string, string>} */
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
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      this.#written(name, text);
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
    process[name].write = /** @type {typeof process.stdout.write} */ (write);
  }

  /**
   * The function wrote this.
   * @param {StreamName} stream
   * @param {string} text
   */
  #written(stream, text) {
    const invocation = currentInvocation() ?? null;
    const partial = invocation === null ? this.#partial : (invocation.partialLines ??= new Map());
    const begun = partial.get(stream);
    const end = text.lastIndexOf('\n');
    if (end === -1) {
      const joined = begun === undefined ? text : begun + text;
      // What is too long to be one line will be cut: it need not be kept.
      if (joined.length > 2 * MAX_BYTES) {
        partial.delete(stream);
        this.emit(invocation, stream, joined);
      } else {
        partial.set(stream, joined);
        if (invocation === null || invocation.closed) this.#flushSoon(invocation);
      }
      return;
    }
    const whole = text.slice(0, end);
    if (begun !== undefined) partial.delete(stream);
    this.emit(invocation, stream, begun === undefined ? whole : begun + whole);
    if (end < text.length - 1) this.#written(stream, text.slice(end + 1));
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
    const partial = invocation.partialLines;
    if (partial !== null && partial.size > 0) this.#flushMap(invocation, partial);
  }

  /** Sends what is left, at the end of the process. */
  end() {
    this.#flushMap(null, this.#partial);
    this.#reportDropped();
  }

  /**
   * @param {Invocation | null} invocation
   * @param {Map<string, string>} partial
   */
  #flushMap(invocation, partial) {
    for (const [stream, text] of partial) this.emit(invocation, /** @type {StreamName} */ (stream), text);
    partial.clear();
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

/**
 * Cuts a long text at the ends of its lines, and lines that are too long themselves.
 * @param {string} text
 * @returns {Generator<string>}
 */
export function* parts(text) {
  let part = '';
  let size = 0;
  for (const line of text.split('\n')) {
    const fitting = cutLine(line);
    const bytes = Buffer.byteLength(fitting);
    if (size > 0 && size + 1 + bytes > MAX_BYTES) {
      yield part;
      part = '';
      size = 0;
    }
    part = size === 0 ? fitting : `${part}\n${fitting}`;
    size += bytes + 1;
  }
  yield part;
}

/** @param {string} line */
function cutLine(line) {
  if (line.length <= SURELY_SHORT) return line;
  const bytes = Buffer.byteLength(line);
  if (bytes <= MAX_BYTES) return line;
  const kept = MAX_BYTES - NOTE_BYTES;
  // A character that the cut goes through becomes U+FFFD, of three bytes: the room for the note is enough for it.
  return `${Buffer.from(line).toString('utf8', 0, kept)}… [${bytes - kept} bytes of this line were cut]`;
}

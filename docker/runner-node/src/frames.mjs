// The runner protocol's frames: what they are called, which of them are well-formed, their bytes.
// `docs/reference/protocol.md` §2 is the specification; `actors/testdata/frames/frames.json` holds its golden bytes.

import { isUtf8 } from 'node:buffer';

/** The version of the protocol that this runtime speaks. */
export const PROTOCOL = 1;

/** Bytes of a frame's `length` field. */
const LENGTH_BYTES = 4;
/** Bytes before the head: length, type, flags, stream, head length. */
export const PREFIX_BYTES = 12;
/** The largest value of a frame's `length` field, which counts everything after itself. */
export const MAX_LENGTH = 1_048_576;
/** The longest head: its length is an unsigned 16-bit number. */
export const MAX_HEAD_BYTES = 65_535;
/** The most body bytes in one frame of an invocation. */
export const CHUNK_BYTES = 65_536;
/** The most body bytes in one FILE or FILE_DATA. */
export const FILE_CHUNK_BYTES = 262_144;
/** The most body bytes in one CALL or RESULT: the largest value of the store. */
export const CALL_BYTES = 1_000_000;
/** The most body bytes in one PING or PONG. */
export const PING_BYTES = 8;

/** Bits of a frame's flags. */
export const FLAG = Object.freeze({
  /** The body that this stream carries in this direction is complete. */
  END: 0x01,
  /** The handler has finished and the runner has forgotten the stream. */
  SETTLED: 0x02,
});

/** Codes of the frame types. */
export const TYPE = Object.freeze({
  HELLO: 0x01,
  WELCOME: 0x02,
  ASSIGN: 0x03,
  FILE: 0x04,
  FILE_DATA: 0x05,
  LOAD: 0x06,
  READY: 0x07,
  REJECTED: 0x08,
  INVOKE: 0x10,
  DATA: 0x11,
  CREDIT: 0x12,
  CANCEL: 0x13,
  RESPONSE: 0x14,
  SETTLED: 0x15,
  FAILED: 0x16,
  STOP_READING: 0x18,
  MESSAGE: 0x19,
  LOG: 0x20,
  MEMORY: 0x21,
  PING: 0x30,
  PONG: 0x31,
  CALL: 0x40,
  RESULT: 0x41,
  DRAIN: 0x50,
  SHUTDOWN: 0x51,
});

/**
 * Who sends a frame.
 * @typedef {'runner' | 'manager'} Side
 */

/**
 * Which stream numbers a type goes with: 0, odd ones (invocations) or even ones (calls).
 * @typedef {'session' | 'invocation' | 'call'} StreamClass
 */

/**
 * What holds for all frames of one type.
 * @typedef {object} Rule
 * @property {string} name
 * @property {Side | 'both'} from
 * @property {StreamClass} stream
 * @property {number} maxBody
 */

/** @type {(Rule | undefined)[]} */
const RULES = [];

/**
 * @param {keyof typeof TYPE} name
 * @param {Rule['from']} from
 * @param {StreamClass} stream
 * @param {number} [maxBody]
 */
function rule(name, from, stream, maxBody = CHUNK_BYTES) {
  RULES[TYPE[name]] = { name, from, stream, maxBody };
}

rule('HELLO', 'runner', 'session');
rule('WELCOME', 'manager', 'session');
rule('ASSIGN', 'manager', 'session', CALL_BYTES);
rule('FILE', 'manager', 'session', FILE_CHUNK_BYTES);
rule('FILE_DATA', 'manager', 'session', FILE_CHUNK_BYTES);
rule('LOAD', 'manager', 'session');
rule('READY', 'runner', 'session');
rule('REJECTED', 'runner', 'session');
rule('INVOKE', 'manager', 'invocation');
rule('DATA', 'both', 'invocation');
rule('CREDIT', 'both', 'invocation');
rule('CANCEL', 'manager', 'invocation');
rule('RESPONSE', 'runner', 'invocation');
rule('SETTLED', 'runner', 'invocation');
rule('FAILED', 'runner', 'invocation');
rule('STOP_READING', 'runner', 'invocation');
rule('MESSAGE', 'manager', 'invocation');
rule('LOG', 'runner', 'session');
rule('MEMORY', 'runner', 'session');
rule('PING', 'both', 'session', PING_BYTES);
rule('PONG', 'both', 'session', PING_BYTES);
rule('CALL', 'runner', 'call', CALL_BYTES);
rule('RESULT', 'manager', 'call', CALL_BYTES);
rule('DRAIN', 'manager', 'session');
rule('SHUTDOWN', 'manager', 'session');

/**
 * Why a frame is not acceptable; the same words are in the golden file.
 * @typedef {'length-too-small' | 'length-too-large' | 'head-too-long' | 'head-not-utf8' | 'head-not-json'
 *   | 'head-not-an-object' | 'unknown-type' | 'direction' | 'stream' | 'body-too-large' | 'state'
 *   | 'credit' | 'head-field'} ProtocolReason
 */

/** The other side broke the protocol: the session is over. */
export class ProtocolError extends Error {
  /**
   * @param {ProtocolReason} reason
   * @param {string} message
   */
  constructor(reason, message) {
    super(message);
    this.name = 'ProtocolError';
    this.reason = reason;
  }
}

/**
 * The name of a type, for messages.
 * @param {number} type
 */
export function typeName(type) {
  return RULES[type]?.name ?? `0x${type.toString(16).padStart(2, '0')}`;
}

const NO_BYTES = Buffer.alloc(0);
/** @type {Record<string, never>} */
const NO_HEAD = Object.freeze({});

/**
 * One decoded frame is given to this. `body` shares memory with what was read: it stays valid, but copying it is the
 * receiver's business if it wants to keep few bytes of it for long.
 * @callback FrameHandler
 * @param {number} type
 * @param {number} flags
 * @param {number} stream
 * @param {any} head
 * @param {Buffer} body
 * @returns {void}
 */

/**
 * A MESSAGE is given to this: its body is so much of these bytes. They come by the hundred thousand, and a `Buffer` of their own is
 * a good part of what each of them costs.
 * @callback MessageHandler
 * @param {number} stream
 * @param {Buffer} bytes
 * @param {number} start
 * @param {number} end
 * @returns {void}
 */

/** Cuts a byte stream into frames, whatever pieces it comes in. */
export class FrameParser {
  #from;
  #onFrame;
  #onMessage;
  /** @type {Buffer[]} pieces of a frame that is not complete */
  #pieces = [];
  #held = 0;
  /** Bytes that must be held before parsing is worth trying again. */
  #wanted = LENGTH_BYTES;

  /**
   * @param {Side} from the side whose frames these are
   * @param {FrameHandler} onFrame
   * @param {MessageHandler | null} [onMessage] without it, MESSAGEs are frames like others
   */
  constructor(from, onFrame, onMessage = null) {
    this.#from = from;
    this.#onFrame = onFrame;
    this.#onMessage = onMessage;
  }

  /** Bytes of an incomplete frame that are being held. */
  get held() {
    return this.#held;
  }

  /**
   * Takes the next bytes and hands over every frame that is now complete.
   * @param {Buffer} chunk
   * @throws {ProtocolError}
   */
  push(chunk) {
    let at = this.#held > 0 ? this.#complete(chunk) : 0;
    let wanted = LENGTH_BYTES;
    const size = chunk.length;
    while (size - at >= LENGTH_BYTES) {
      wanted = frameBytes(chunk, at);
      if (size - at < wanted) break;
      this.#frame(chunk, at, at + wanted);
      at += wanted;
      wanted = LENGTH_BYTES;
    }
    if (at < size) this.#hold(at === 0 ? chunk : chunk.subarray(at), wanted);
  }

  /**
   * Completes the frame that is being held, if this is enough for it. Only that frame is copied, not all that came with its end.
   * @param {Buffer} chunk
   * @returns {number} how much of the chunk belongs to it
   */
  #complete(chunk) {
    let at = 0;
    while (this.#held > 0) {
      const missing = this.#wanted - this.#held;
      if (chunk.length - at < missing) {
        if (at < chunk.length) this.#hold(at === 0 ? chunk : chunk.subarray(at), this.#wanted);
        return chunk.length;
      }
      this.#pieces.push(chunk.subarray(at, at + missing));
      at += missing;
      const whole = Buffer.concat(this.#pieces, this.#wanted);
      this.#pieces.length = 0;
      this.#held = 0;
      // No frame is as short as its length alone.
      if (whole.length === LENGTH_BYTES) this.#hold(whole, frameBytes(whole, 0));
      else this.#frame(whole, 0, whole.length);
    }
    return at;
  }

  /**
   * @param {Buffer} piece
   * @param {number} wanted
   */
  #hold(piece, wanted) {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.#wanted = wanted;
  }

  /**
   * @param {Buffer} chunk
   * @param {number} at
   * @param {number} end
   */
  #frame(chunk, at, end) {
    const type = chunk[at + 4];
    const stream = chunk.readUInt32BE(at + 6);
    const headEnd = at + PREFIX_BYTES + chunk.readUInt16BE(at + 10);
    if (headEnd > end) throw new ProtocolError('head-too-long', 'the head is longer than its frame');
    check(type, stream, end - headEnd, this.#from);
    const head = headEnd === at + PREFIX_BYTES ? NO_HEAD : parseHead(chunk, at + PREFIX_BYTES, headEnd);
    if (type === TYPE.MESSAGE && this.#onMessage !== null) {
      this.#onMessage(stream, chunk, headEnd, end);
      return;
    }
    const body = headEnd === end ? NO_BYTES : chunk.subarray(headEnd, end);
    this.#onFrame(type, chunk[at + 5], stream, head, body);
  }
}

/**
 * How long a frame is that begins here.
 * @param {Buffer} chunk
 * @param {number} at
 */
function frameBytes(chunk, at) {
  const length = chunk.readUInt32BE(at);
  checkLength(length);
  return LENGTH_BYTES + length;
}

/** @param {number} length */
function checkLength(length) {
  if (length < PREFIX_BYTES - LENGTH_BYTES) throw new ProtocolError('length-too-small', `a frame of length ${length}`);
  if (length > MAX_LENGTH) throw new ProtocolError('length-too-large', `a frame of length ${length}`);
}

/**
 * @param {number} type
 * @param {number} stream
 * @param {number} bodyBytes
 * @param {Side} from
 */
function check(type, stream, bodyBytes, from) {
  const known = RULES[type];
  if (known === undefined) throw new ProtocolError('unknown-type', `an unknown frame type ${typeName(type)}`);
  if (known.from !== from && known.from !== 'both') {
    throw new ProtocolError('direction', `${known.name} from the ${from}`);
  }
  const fits =
    known.stream === 'session' ? stream === 0 : stream !== 0 && (stream & 1) === (known.stream === 'invocation' ? 1 : 0);
  if (!fits) throw new ProtocolError('stream', `${known.name} on stream ${stream}`);
  if (bodyBytes > known.maxBody) throw new ProtocolError('body-too-large', `${known.name} of ${bodyBytes} bytes`);
}

/**
 * @param {Buffer} chunk
 * @param {number} start
 * @param {number} end
 */
function parseHead(chunk, start, end) {
  const text = chunk.toString('utf8', start, end);
  // Decoding replaces what is not UTF-8 by U+FFFD; only then is the exact check worth its price.
  if (text.includes('\ufffd') && !isUtf8(chunk.subarray(start, end))) {
    throw new ProtocolError('head-not-utf8', 'a head that is not UTF-8');
  }
  let head;
  try {
    head = JSON.parse(text);
  } catch {
    throw new ProtocolError('head-not-json', 'a head that is not JSON');
  }
  if (head === null || typeof head !== 'object' || Array.isArray(head)) {
    throw new ProtocolError('head-not-an-object', 'a head that is not an object');
  }
  return head;
}

/**
 * Writes a frame's first 12 bytes.
 * @param {Buffer} target
 * @param {number} at
 * @param {number} type
 * @param {number} flags
 * @param {number} stream
 * @param {number} headBytes
 * @param {number} bodyBytes
 */
export function writePrefix(target, at, type, flags, stream, headBytes, bodyBytes) {
  const length = PREFIX_BYTES - LENGTH_BYTES + headBytes + bodyBytes;
  target[at] = length >>> 24;
  target[at + 1] = length >>> 16;
  target[at + 2] = length >>> 8;
  target[at + 3] = length;
  target[at + 4] = type;
  target[at + 5] = flags;
  target[at + 6] = stream >>> 24;
  target[at + 7] = stream >>> 16;
  target[at + 8] = stream >>> 8;
  target[at + 9] = stream;
  target[at + 10] = headBytes >>> 8;
  target[at + 11] = headBytes;
}

/**
 * One frame's bytes, where speed does not matter.
 * @param {number} type
 * @param {number} flags
 * @param {number} stream
 * @param {object | string | null} head an object, its JSON, or null for `{}`
 * @param {Uint8Array | string | null} [body]
 * @returns {Buffer}
 */
export function encodeFrame(type, flags, stream, head, body = null) {
  const headBytes = Buffer.from(head === null ? '' : typeof head === 'string' ? head : JSON.stringify(head));
  const bodyBytes = body === null ? NO_BYTES : typeof body === 'string' ? Buffer.from(body) : body;
  if (headBytes.length > MAX_HEAD_BYTES) throw new RangeError('the head is too long for a frame');
  const length = PREFIX_BYTES - LENGTH_BYTES + headBytes.length + bodyBytes.length;
  if (length > MAX_LENGTH) throw new RangeError('the frame is too long');
  const prefix = Buffer.alloc(PREFIX_BYTES);
  writePrefix(prefix, 0, type, flags, stream, headBytes.length, bodyBytes.length);
  return Buffer.concat([prefix, headBytes, bodyBytes]);
}

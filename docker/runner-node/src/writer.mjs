// Sends frames. Small ones are put together in one block of memory and written once per turn of the event loop: with
// many calls at once that is one system call for all of them, and it is what makes the runtime fast.

import { MAX_HEAD_BYTES, PREFIX_BYTES, writePrefix } from './frames.mjs';

/** Memory that frames are put together in. */
const BLOCK_BYTES = 65_536;
/** A body above this is handed over as it is; below it, it is copied into the block. */
const COPY_BELOW = 8_192;
/** With so much put together it is written at once, without waiting for the end of the turn. */
const FLUSH_ABOVE = 262_144;
/**
 * In a long turn, what was put together is written after so much time, if half of the invocations that there may be at once have been
 * answered: the manager sends new ones before this process has nothing left to do. Each write wakes the manager and, for
 * messages, their broker: fewer of them leave more of the machine to the function.
 */
const FLUSH_AFTER_MS = 1;
/** After so much time it is written in any case: somebody waits for an answer. */
const FLUSH_AT_LAST_MS = 3;
/** The clock is looked at about this often, and once for so many frames at most: it costs about as much as a frame. */
const LOOK_EVERY_MS = 0.5;
const FRAMES_PER_LOOK = 16;
/** With so much that the system has not taken yet, streams wait and log lines are dropped. */
const CONGESTED_ABOVE = 1_048_576;

/** The head `{}`, in its shortest form. */
export const NO_HEAD = '';

/** Writes frames to a socket: once per turn of the event loop, and more often in a long one. */
export class FrameWriter {
  #socket;
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** Where the part of the block begins that has not been handed over. */
  #start = 0;
  #end = 0;
  /** @type {Uint8Array[]} complete parts, in order, before the block's own */
  #parts = [];
  #partBytes = 0;
  #scheduled = false;
  /** Frames that were put down since it was written last. */
  #frames = 0;
  /** When it was written last, or the turn's first frame was put down. */
  #since = 0;
  /** When the clock was looked at last, how many frames there were then, and after how many more that is done again. */
  #looked = 0;
  #seen = 0;
  #step = FRAMES_PER_LOOK;
  #now;
  #concurrency;
  #closed = false;
  /** @type {(() => void)[]} */
  #waiting = [];
  #flushLater = () => {
    this.#scheduled = false;
    this.#learn(this.#now());
    this.flush();
  };

  /**
   * @param {import('node:net').Socket} socket
   * @param {() => number} concurrency how many invocations there may be at once
   * @param {() => number} [now] milliseconds of a clock that never goes back
   */
  constructor(socket, concurrency, now = () => performance.now()) {
    this.#socket = socket;
    this.#concurrency = concurrency;
    this.#now = now;
    socket.on('drain', () => this.#drained());
    socket.on('close', () => {
      this.#closed = true;
      this.#drained();
    });
  }

  /** Bytes that the system has not taken yet. */
  get unsent() {
    return this.#socket.writableLength + this.#partBytes + (this.#end - this.#start);
  }

  /** Whether so much is unsent that whoever can wait should. */
  get congested() {
    return this.unsent > CONGESTED_ABOVE && !this.#closed;
  }

  /**
   * Calls back, once, when what is unsent has gone (or the connection has).
   * @param {() => void} callback
   */
  whenDrained(callback) {
    if (this.congested) this.#waiting.push(callback);
    else callback();
  }

  #drained() {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }

  /**
   * Sends one frame. A `Uint8Array` body of some size is not copied: it must not change until it has been sent.
   * @param {number} type
   * @param {number} flags
   * @param {number} stream
   * @param {string} head JSON, or `NO_HEAD`
   * @param {Uint8Array | string | null} body
   * @throws {RangeError} if the head does not fit a frame
   */
  frame(type, flags, stream, head, body) {
    if (this.#closed) return;
    if (body === null && head === NO_HEAD) {
      this.#bare(type, flags, stream);
      return;
    }
    if (head.includes('\\ud')) head = withoutHalves(head);
    if (typeof body === 'string') {
      // A character takes at most three bytes: so much room is enough to write first and count afterwards.
      if (PREFIX_BYTES + 3 * (head.length + body.length) <= BLOCK_BYTES) {
        this.#smallText(type, flags, stream, head, body);
        return;
      }
      body = Buffer.from(body);
    }
    this.#bytes(type, flags, stream, head, body);
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} stream
   */
  #bare(type, flags, stream) {
    const at = this.#room(PREFIX_BYTES);
    writePrefix(this.#block, at, type, flags, stream, 0, 0);
    this.#end = at + PREFIX_BYTES;
    this.#schedule();
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} stream
   * @param {string} head
   * @param {string} body
   */
  #smallText(type, flags, stream, head, body) {
    const at = this.#room(PREFIX_BYTES + 3 * (head.length + body.length));
    const block = this.#block;
    const headBytes = head.length === 0 ? 0 : block.write(head, at + PREFIX_BYTES);
    const bodyBytes = body.length === 0 ? 0 : block.write(body, at + PREFIX_BYTES + headBytes);
    writePrefix(block, at, type, flags, stream, headBytes, bodyBytes);
    this.#end = at + PREFIX_BYTES + headBytes + bodyBytes;
    this.#schedule();
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} stream
   * @param {string} head
   * @param {Uint8Array | null} body
   */
  #bytes(type, flags, stream, head, body) {
    const headBytes = Buffer.byteLength(head);
    if (headBytes > MAX_HEAD_BYTES) throw new RangeError(`a head of ${headBytes} bytes does not fit a frame`);
    const bodyBytes = body === null ? 0 : body.length;
    const copied = bodyBytes < COPY_BELOW ? bodyBytes : 0;
    const needed = PREFIX_BYTES + headBytes + copied;
    const large = needed > BLOCK_BYTES ? Buffer.allocUnsafeSlow(needed) : null;
    const at = large === null ? this.#room(needed) : 0;
    const target = large ?? this.#block;
    writePrefix(target, at, type, flags, stream, headBytes, bodyBytes);
    if (headBytes > 0) target.write(head, at + PREFIX_BYTES);
    if (copied > 0 && body !== null) target.set(body, at + PREFIX_BYTES + headBytes);
    if (large === null) this.#end = at + needed;
    else this.#handOver(large);
    if (body !== null && bodyBytes > copied) this.#handOver(body);
    this.#schedule();
  }

  /**
   * A place in the block with so many bytes.
   * @param {number} bytes
   */
  #room(bytes) {
    if (BLOCK_BYTES - this.#end < bytes) {
      this.#closePart();
      // What is in the old block belongs to the socket now: it is never written to again.
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#start = this.#end = 0;
    }
    return this.#end;
  }

  #closePart() {
    if (this.#end === this.#start) return;
    this.#parts.push(this.#block.subarray(this.#start, this.#end));
    this.#partBytes += this.#end - this.#start;
    this.#start = this.#end;
  }

  /** @param {Uint8Array} bytes */
  #handOver(bytes) {
    this.#closePart();
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
  }

  #schedule() {
    if (this.#partBytes + this.#end - this.#start > FLUSH_ABOVE) {
      this.flush();
      this.#begin(this.#now(), 0);
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#begin(this.#now(), 1);
      setImmediate(this.#flushLater);
    } else if ((this.#frames += 1) - this.#seen >= this.#step) {
      this.#look();
    }
  }

  /**
   * From now on something is put together anew.
   * @param {number} now
   * @param {number} frames how many there are of it
   */
  #begin(now, frames) {
    this.#since = now;
    this.#looked = now;
    this.#frames = frames;
    this.#seen = frames;
  }

  /**
   * Takes from how far apart the frames since the last look were how many there are to be until the next one.
   * @param {number} now
   */
  #learn(now) {
    const frames = this.#frames - this.#seen;
    if (frames === 0) return;
    const step = Math.floor((frames * LOOK_EVERY_MS) / (now - this.#looked));
    this.#step = Math.min(Math.max(step, 1), FRAMES_PER_LOOK, Math.ceil(this.#concurrency() / 2));
  }

  /** Looks at the clock, and writes if it is time. */
  #look() {
    const now = this.#now();
    this.#learn(now);
    const waited = now - this.#since;
    if (waited >= FLUSH_AT_LAST_MS || (waited >= FLUSH_AFTER_MS && this.#frames * 2 >= this.#concurrency())) {
      this.flush();
      this.#begin(now, 0);
    } else {
      this.#looked = now;
      this.#seen = this.#frames;
    }
  }

  /** Hands everything to the system now. */
  flush() {
    this.#closePart();
    const parts = this.#parts;
    if (parts.length === 0 || this.#closed) return;
    this.#parts = [];
    this.#partBytes = 0;
    if (parts.length === 1) {
      this.#socket.write(parts[0]);
      return;
    }
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }
}

/**
 * JSON without halves of surrogate pairs, which no other language's strings can hold: a manager would take such a head for a
 * breach of the protocol. `JSON.stringify` writes whole pairs as they are, so what it escapes is a half.
 * @param {string} json
 */
function withoutHalves(json) {
  return json.replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (found) => (found === '\\\\' ? found : '\\ufffd'));
}

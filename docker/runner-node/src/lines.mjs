// Lines: put together from what is written piece by piece, and cut where they are too long.

import { StringDecoder } from 'node:string_decoder';
import { CHUNK_BYTES } from './frames.mjs';

/** The longest line or message. */
export const MAX_BYTES = CHUNK_BYTES;
/** A text so short cannot have more bytes than that, whatever is in it. */
export const SURELY_SHORT = MAX_BYTES / 3;
/** Room for the note at the end of what was cut. */
const NOTE_BYTES = 64;
/** What is kept of a line that is too long. */
const KEPT_BYTES = MAX_BYTES - NOTE_BYTES;

/** The beginning of a line of one stream, as long as its end has not been written. Takes no more memory than a line may. */
export class PartialLine {
  #text = '';
  #bytes = 0;
  /** Bytes that were written beyond what is kept. */
  #missing = 0;
  /** Holds the beginning of a character whose other bytes are still to come. */
  #decoder = new StringDecoder('utf8');
  #splitsCharacter = false;

  /** Whether something was written since the last end of a line. */
  get begun() {
    return this.#bytes > 0 || this.#splitsCharacter;
  }

  /**
   * What a chunk says: characters may be parted between two chunks of bytes, and what is no UTF-8 becomes U+FFFD.
   * @param {string | Uint8Array} chunk
   * @param {unknown} encoding of a string
   * @returns {string}
   */
  decode(chunk, encoding) {
    if (typeof chunk === 'string') {
      if (!isOtherEncoding(encoding)) {
        // A text never ends a character that bytes have begun.
        return this.#splitsCharacter ? this.#endCharacter() + chunk : chunk;
      }
      chunk = Buffer.from(chunk, encoding);
    }
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const text = this.#decoder.write(bytes);
    // It has kept something back if it gave fewer bytes than it has.
    this.#splitsCharacter = endsWithinCharacter(bytes, this.#splitsCharacter && text === '');
    return text;
  }

  /**
   * More of the line.
   * @param {string} text without a line feed
   */
  add(text) {
    const bytes = Buffer.byteLength(text);
    if (this.#missing > 0) {
      this.#missing += bytes;
      return;
    }
    this.#text += text;
    this.#bytes += bytes;
    if (this.#bytes <= MAX_BYTES) return;
    this.#missing = this.#bytes - KEPT_BYTES;
    this.#text = beginning(this.#text);
  }

  /** What there is of the line, which nothing is added to any more. */
  end() {
    if (this.#splitsCharacter) this.add(this.#endCharacter());
    return this.take();
  }

  /** The line, whose end was written. What came behind that may have begun a character. */
  take() {
    const line = this.#missing > 0 ? `${this.#text}${note(this.#missing)}` : this.#text;
    this.#text = '';
    this.#bytes = 0;
    this.#missing = 0;
    return line;
  }

  #endCharacter() {
    this.#splitsCharacter = false;
    return this.#decoder.end();
  }
}

/**
 * @param {unknown} encoding
 * @returns {encoding is BufferEncoding}
 */
function isOtherEncoding(encoding) {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) && !/^utf-?8$/i.test(encoding);
}

/**
 * Whether the last bytes are the beginning of a character of UTF-8 that goes on.
 * @param {Uint8Array} bytes
 * @param {boolean} goesOn whether those before were, and these did not end it
 */
function endsWithinCharacter(bytes, goesOn) {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return false;
    if (byte >= 0xc0) return byte < 0xf8 && back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2);
  }
  return goesOn;
}

/** @param {string} text @returns {string} */
function beginning(text) {
  // A character that the cut goes through becomes U+FFFD, of three bytes: the room for the note is enough for it.
  return Buffer.from(text).toString('utf8', 0, KEPT_BYTES);
}

/** @param {number} missing */
function note(missing) {
  return `… [${missing} bytes of this line were cut]`;
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
  return bytes <= MAX_BYTES ? line : `${beginning(line)}${note(bytes - KEPT_BYTES)}`;
}

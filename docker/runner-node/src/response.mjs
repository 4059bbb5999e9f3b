// What a classic handler gets as `response`. An answer is put together here and sent when the handler has finished, or
// at once when it is written or streamed.

import { Readable } from 'node:stream';
import { JobberError } from './errors.mjs';
import { headerName, headerValue, plainHead, responseHead, setCookie, statusCode } from './headers.mjs';
import { publish } from './publish.mjs';
import { sendStream } from './streams/source.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */
/** @typedef {import('./headers.mjs').CookieOptions} CookieOptions */

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** @param {unknown} bytes @returns {Uint8Array} a copy: the handler may use its buffer again */
function copyOf(bytes) {
  if (typeof bytes === 'string') return Buffer.from(bytes);
  if (bytes instanceof Uint8Array) return Buffer.from(bytes);
  if (bytes instanceof ArrayBuffer) return Buffer.from(bytes.slice(0));
  throw new JobberError('bad-body', 'a part of a body is a text or bytes');
}

/** The answer to an HTTP request. */
export class HttpResponse {
  #invocation;
  #status = 200;
  #statusGiven = false;
  /** @type {Map<string, string[]> | null} */
  #headers = null;
  /** @type {string | null} the content type that goes with the body, if no header says otherwise */
  #contentType = null;
  /** @type {string | Uint8Array[] | null} */
  #body = null;
  #touched = false;

  /** @param {Invocation} invocation */
  constructor(invocation) {
    this.#invocation = invocation;
  }

  /** Whether the handler has said anything about the answer. */
  get touched() {
    return this.#touched;
  }

  #change() {
    const { output, closed, aborted } = this.#invocation;
    // After a cancellation the handler may go on as if nothing had happened; nobody hears it.
    if (output.begun || (closed && !aborted)) {
      throw new JobberError('already-answered', 'the answer has been sent already; it cannot be changed any more');
    }
    this.#touched = true;
  }

  /** @param {number} status */
  status(status) {
    this.#change();
    this.#status = statusCode(status);
    this.#statusGiven = true;
    return this;
  }

  /**
   * Sets a header; a list sets it several times.
   * @param {string} name
   * @param {string | number | readonly string[]} value
   */
  header(name, value) {
    this.#change();
    const key = headerName(name);
    const values = Array.isArray(value) ? value.map((each) => headerValue(key, each)) : [headerValue(key, value)];
    this.#headers ??= new Map();
    this.#headers.set(key, values);
    return this;
  }

  /**
   * Adds a header to those of the same name.
   * @param {string} name
   * @param {string | number} value
   */
  appendHeader(name, value) {
    this.#change();
    const key = headerName(name);
    const text = headerValue(key, value);
    this.#headers ??= new Map();
    const present = this.#headers.get(key);
    if (present === undefined) this.#headers.set(key, [text]);
    else present.push(text);
    return this;
  }

  /**
   * Adds a cookie.
   * @param {string} name
   * @param {string} value
   * @param {CookieOptions} [options]
   */
  cookie(name, value, options) {
    return this.appendHeader('set-cookie', setCookie(name, value, options));
  }

  /**
   * @param {string} path
   * @param {number} [status]
   */
  redirect(path, status = 303) {
    this.header('location', path);
    this.#answer(null, null, status);
    return this;
  }

  /**
   * @param {unknown} value
   * @param {number} [status] 200, or what `status()` said
   */
  json(value, status) {
    this.#change();
    const json = JSON.stringify(value);
    if (json === undefined) throw new JobberError('bad-body', 'this value has no JSON form');
    this.#answer(json, JSON_TYPE, status);
    return this;
  }

  /**
   * @param {string} text
   * @param {number} [status] 200, or what `status()` said
   */
  text(text, status) {
    this.#change();
    this.#answer(String(text), TEXT_TYPE, status);
    return this;
  }

  /**
   * @param {string | null} body
   * @param {string | null} contentType
   * @param {number | undefined} status
   */
  #answer(body, contentType, status) {
    if (status !== undefined) {
      this.#status = statusCode(status);
      this.#statusGiven = false;
    } else if (!this.#statusGiven) {
      this.#status = 200;
    }
    this.#body = body;
    this.#contentType = contentType;
  }

  /**
   * Adds bytes to the body that is sent when the handler has finished.
   * @param {Uint8Array | string} bytes
   */
  chunk(bytes) {
    this.#change();
    const part = copyOf(bytes);
    if (Array.isArray(this.#body)) this.#body.push(part);
    else this.#body = this.#body === null ? [part] : [Buffer.from(this.#body), part];
    return this;
  }

  /**
   * Sends the body from a stream, at the pace of the client. The invocation goes on until it has ended.
   * @param {ReadableStream<Uint8Array> | Readable | AsyncIterable<Uint8Array | string>} readable
   */
  stream(readable) {
    this.#change();
    const { output } = this.#invocation;
    output.begin(this.#head());
    this.#invocation.waitUntil(sendStream(this.#invocation, readable));
    return this;
  }

  /**
   * Sends a part of the body now. The answer ends with `end()`.
   * @param {Uint8Array | string} bytes
   * @returns {Promise<void>} resolves when the client's pace allows the next part
   */
  write(bytes) {
    const { output } = this.#invocation;
    if (!output.begun) {
      this.#change();
      output.begin(this.#head());
      const body = this.#body;
      if (body !== null) output.write(Array.isArray(body) ? Buffer.concat(body) : Buffer.from(body));
    }
    return output.write(copyOf(bytes));
  }

  /**
   * Ends an answer that was begun by `write()`.
   * @param {Uint8Array | string} [bytes] its last part
   * @returns {Promise<void>} resolves when all of it was sent
   */
  end(bytes) {
    const { output } = this.#invocation;
    if (output.begun && output.closed) return Promise.resolve();
    const written = this.write(bytes ?? '');
    output.end();
    return written;
  }

  #head() {
    const headers = this.#headers;
    if (headers === null) return plainHead(this.#status, this.#contentType);
    /** @type {import('./headers.mjs').Header[]} */
    const list = [];
    if (this.#contentType !== null && !headers.has('content-type')) list.push(['content-type', this.#contentType]);
    for (const [name, values] of headers) for (const value of values) list.push([name, value]);
    return responseHead(this.#status, list);
  }

  /** The handler has finished: the answer goes out, unless it has begun already. */
  finish() {
    const invocation = this.#invocation;
    if (invocation.output.begun) {
      invocation.done();
      return;
    }
    const body = this.#body;
    invocation.complete(this.#head(), Array.isArray(body) ? Buffer.concat(body) : body);
  }
}

/** What there is to answer to an MQTT message. */
export class MqttResponse {
  #invocation;

  /** @param {Invocation} invocation */
  constructor(invocation) {
    this.#invocation = invocation;
  }

  /**
   * Publishes a message on the connection that the request came by.
   * @param {string} topic
   * @param {unknown} body a text, bytes, or anything that JSON can hold
   * @param {import('./publish.mjs').PublishOptions} [options]
   * @returns {Promise<void>} resolves when the broker has acknowledged it
   */
  publish(topic, body, options) {
    return publish(this.#invocation, topic, body, options);
  }
}

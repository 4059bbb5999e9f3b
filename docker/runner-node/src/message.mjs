// The MESSAGE frame: an invocation with a message of MQTT, without JSON; see the protocol §5. What is in it is read when
// somebody asks for it.

import { ProtocolError } from './frames.mjs';

/** Bytes of what has the same length in every message. */
const FIXED_BYTES = 64;

// Bits of the first byte, and where the rest is.
const QOS = 0x03;
const RETAIN = 0x04;
const DUPLICATE = 0x08;
const SAMPLED = 0x10;
const TIMEOUT_AT = 1;
const ID_AT = 5;
const TRACE_AT = 21;
const SPAN_AT = 37;
const TRIGGER_AT = 45;
const NAME_LENGTH_AT = 61;
const TOPIC_LENGTH_AT = 62;

/** @typedef {import('./invocation.mjs').InvokeHead} InvokeHead */

/**
 * What an INVOKE says in its head.
 * @implements {InvokeHead}
 */
export class MessageHead {
  #bytes;
  #start;
  #topicAt;
  #payloadAt;
  #end;

  /**
   * The frame's body is so much of these bytes.
   * @param {Buffer} bytes
   * @param {number} start
   * @param {number} end
   * @throws {ProtocolError}
   */
  constructor(bytes, start, end) {
    if (end - start < FIXED_BYTES) throw new ProtocolError('head-field', `a MESSAGE of ${end - start} bytes`);
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#topicAt = start + FIXED_BYTES + bytes[start + NAME_LENGTH_AT];
    this.#payloadAt = this.#topicAt + ((bytes[start + TOPIC_LENGTH_AT] << 8) | bytes[start + TOPIC_LENGTH_AT + 1]);
    if (this.#payloadAt > end) throw new ProtocolError('head-field', 'a MESSAGE that is shorter than its topic');
    if ((bytes[start] & QOS) === QOS) throw new ProtocolError('head-field', 'a MESSAGE of QoS 3');
  }

  /** What is left of the frame's body. */
  payload() {
    return this.#bytes.subarray(this.#payloadAt, this.#end);
  }

  get id() {
    return this.#uuid(ID_AT);
  }

  get attempt() {
    return 1;
  }

  get timeoutMs() {
    return this.#bytes.readUInt32BE(this.#start + TIMEOUT_AT);
  }

  /** @returns {'mqtt'} */
  get kind() {
    return 'mqtt';
  }

  get traceparent() {
    const sampled = (this.#bytes[this.#start] & SAMPLED) === 0 ? '00' : '01';
    return `00-${this.#hex(TRACE_AT, SPAN_AT)}-${this.#hex(SPAN_AT, TRIGGER_AT)}-${sampled}`;
  }

  get tracestate() {
    return undefined;
  }

  get trigger() {
    const nameAt = this.#start + FIXED_BYTES;
    const name = this.#topicAt === nameAt ? null : this.#bytes.toString('utf8', nameAt, this.#topicAt);
    return { id: this.#uuid(TRIGGER_AT), name };
  }

  get mqtt() {
    const bits = this.#bytes[this.#start];
    return {
      topic: this.#bytes.toString('utf8', this.#topicAt, this.#payloadAt),
      qos: /** @type {0 | 1 | 2} */ (bits & QOS),
      retain: (bits & RETAIN) !== 0,
      duplicate: (bits & DUPLICATE) !== 0,
    };
  }

  get http() {
    return undefined;
  }

  get schedule() {
    return undefined;
  }

  /**
   * @param {number} from within the body
   * @param {number} to
   */
  #hex(from, to) {
    return this.#bytes.toString('hex', this.#start + from, this.#start + to);
  }

  /** @param {number} at */
  #uuid(at) {
    const hex = this.#hex(at, at + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}

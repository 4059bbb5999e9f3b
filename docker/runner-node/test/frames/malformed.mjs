// Golden frames of every way to be malformed. Encoding here is deliberately separate from the runtime's own.

/** @typedef {import('../../src/frames.mjs').Side} Side */

/**
 * One frame's bytes.
 * @param {number} code
 * @param {number} flags
 * @param {number} stream
 * @param {Buffer} head
 * @param {Buffer} body
 * @param {{length?: number, headLength?: number}} [wrong] values for the two lengths that are not the true ones
 */
export function bytes(code, flags, stream, head, body, wrong = {}) {
  const prefix = Buffer.alloc(12);
  prefix.writeUInt32BE(wrong.length ?? 8 + head.length + body.length, 0);
  prefix.writeUInt8(code, 4);
  prefix.writeUInt8(flags, 5);
  prefix.writeUInt32BE(stream, 6);
  prefix.writeUInt16BE(wrong.headLength ?? head.length, 10);
  return Buffer.concat([prefix, head, body]);
}

const NONE = Buffer.alloc(0);
/** @param {string} text */
const utf8 = (text) => Buffer.from(text);

/**
 * Frames that end the session. `prefix: true` marks bytes after which the receiver must give up without waiting for more;
 * `zeros` says how many zero bytes follow `hex`, so that this file stays small.
 * @type {{name: string, from: Side, reason: import('../../src/frames.mjs').ProtocolReason, bytes: Buffer, zeros?: number, prefix?: true}[]}
 */
export const MALFORMED = [
  { name: 'length 0', from: 'manager', reason: 'length-too-small', bytes: Buffer.from('00000000', 'hex'), prefix: true },
  { name: 'length 7', from: 'runner', reason: 'length-too-small', bytes: Buffer.from('00000007', 'hex'), prefix: true },
  { name: 'length over 1 MiB', from: 'manager', reason: 'length-too-large', bytes: Buffer.from('00100001', 'hex'), prefix: true },
  { name: 'an HTTP request', from: 'runner', reason: 'length-too-large', bytes: utf8('GET / HTTP/1.1\r\n\r\n'), prefix: true },
  { name: 'head longer than the frame', from: 'manager', reason: 'head-too-long', bytes: bytes(0x06, 0, 0, utf8('{}'), NONE, { headLength: 3 }) },
  { name: 'head that is not JSON', from: 'manager', reason: 'head-not-json', bytes: bytes(0x06, 0, 0, utf8('{nope'), NONE) },
  { name: 'head with something after the object', from: 'manager', reason: 'head-not-json', bytes: bytes(0x06, 0, 0, utf8('{}{}'), NONE) },
  { name: 'head that is not UTF-8', from: 'runner', reason: 'head-not-utf8', bytes: bytes(0x20, 0, 0, Buffer.from('7b2261223a22ff227d', 'hex'), NONE) },
  { name: 'head that is an array', from: 'manager', reason: 'head-not-an-object', bytes: bytes(0x06, 0, 0, utf8('[]'), NONE) },
  { name: 'head that is null', from: 'manager', reason: 'head-not-an-object', bytes: bytes(0x06, 0, 0, utf8('null'), NONE) },
  { name: 'head that is a number', from: 'runner', reason: 'head-not-an-object', bytes: bytes(0x07, 0, 0, utf8('1'), NONE) },
  { name: 'type 0x00', from: 'manager', reason: 'unknown-type', bytes: bytes(0x00, 0, 0, NONE, NONE) },
  { name: 'type 0x17', from: 'runner', reason: 'unknown-type', bytes: bytes(0x17, 0, 1, NONE, NONE) },
  { name: 'type 0xff', from: 'manager', reason: 'unknown-type', bytes: bytes(0xff, 0, 0, NONE, NONE) },
  { name: 'INVOKE from the runner', from: 'runner', reason: 'direction', bytes: bytes(0x10, 1, 1, utf8('{}'), NONE) },
  { name: 'RESPONSE from the manager', from: 'manager', reason: 'direction', bytes: bytes(0x14, 3, 1, utf8('{"status":200,"headers":[]}'), NONE) },
  { name: 'CALL from the manager', from: 'manager', reason: 'direction', bytes: bytes(0x40, 0, 2, utf8('{"method":"store.get","key":"k"}'), NONE) },
  { name: 'INVOKE on an even stream', from: 'manager', reason: 'stream', bytes: bytes(0x10, 1, 2, utf8('{}'), NONE) },
  { name: 'INVOKE on stream 0', from: 'manager', reason: 'stream', bytes: bytes(0x10, 1, 0, utf8('{}'), NONE) },
  { name: 'DATA on stream 0', from: 'runner', reason: 'stream', bytes: bytes(0x11, 1, 0, NONE, NONE) },
  { name: 'DATA on an even stream', from: 'runner', reason: 'stream', bytes: bytes(0x11, 1, 2, NONE, NONE) },
  { name: 'CALL on an odd stream', from: 'runner', reason: 'stream', bytes: bytes(0x40, 0, 1, utf8('{"method":"store.get","key":"k"}'), NONE) },
  { name: 'LOG on a stream of its own', from: 'runner', reason: 'stream', bytes: bytes(0x20, 0, 1, utf8('{"stream":"stdout","time":"2026-01-01T00:00:00Z"}'), NONE) },
  { name: 'PING of 9 bytes', from: 'manager', reason: 'body-too-large', bytes: bytes(0x30, 0, 0, NONE, Buffer.alloc(9)) },
  { name: 'DATA of 65,537 bytes', from: 'runner', reason: 'body-too-large', bytes: bytes(0x11, 0, 1, NONE, NONE, { length: 8 + 65_537 }), zeros: 65_537 },
  { name: 'FILE_DATA of 262,145 bytes', from: 'manager', reason: 'body-too-large', bytes: bytes(0x05, 0, 0, NONE, NONE, { length: 8 + 262_145 }), zeros: 262_145 },
  { name: 'CALL of 1,000,001 bytes', from: 'runner', reason: 'body-too-large', bytes: bytes(0x40, 0, 2, utf8('{}'), NONE, { length: 8 + 2 + 1_000_001 }), zeros: 1_000_001 },
];

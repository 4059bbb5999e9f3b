// Sends what a stream gives, at the pace that the manager's credit sets.

import { JobberError } from '../errors.mjs';

/** @typedef {import('../invocation.mjs').Invocation} Invocation */

/** @param {unknown} part @returns {Uint8Array} */
function toBytes(part) {
  if (part instanceof Uint8Array) return part;
  if (typeof part === 'string') return Buffer.from(part);
  if (part instanceof ArrayBuffer) return new Uint8Array(part);
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  throw new JobberError('bad-body', `a stream gave something that is neither bytes nor text: ${typeof part}`);
}

/**
 * Sends a stream as the body of an answer that has begun, and ends it.
 * @param {Invocation} invocation
 * @param {unknown} source a web stream, a Node stream or anything that can be iterated
 * @returns {Promise<void>} rejects with what the source failed with; a client that has gone away is not an error
 */
export async function sendStream(invocation, source) {
  const { output } = invocation;
  if (source instanceof ReadableStream) {
    await sendReader(invocation, source.getReader());
    return;
  }
  const iterable = /** @type {any} */ (source);
  const iterator = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (iterator === undefined) throw new JobberError('bad-body', 'stream() takes a web stream or a Node stream');
  const stop = () => {
    // A Node stream that waits for data is only woken by destroying it.
    if (typeof iterable.destroy === 'function') iterable.destroy();
    else Promise.resolve(iterator.return?.()).catch(() => {});
  };
  invocation.onAbort(stop);
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      if (invocation.aborted) return;
      if (done) break;
      await output.write(toBytes(value));
    }
  } catch (error) {
    if (invocation.aborted) return;
    stop();
    throw error;
  }
  output.end();
}

/**
 * The same from a web stream's reader.
 * @param {Invocation} invocation
 * @param {ReadableStreamDefaultReader<unknown>} reader
 */
export async function sendReader(invocation, reader) {
  const { output } = invocation;
  const stop = (/** @type {unknown} */ reason) => {
    reader.cancel(reason).catch(() => {});
  };
  invocation.onAbort(stop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (invocation.aborted) return;
      if (done) break;
      await output.write(toBytes(value));
    }
  } catch (error) {
    if (invocation.aborted) return;
    stop(error);
    throw error;
  }
  output.end();
}

export { toBytes };

// Sends a standard `Response`, of whatever implementation.

import { CHUNK_BYTES } from './frames.mjs';
import { endToEnd, headerName, headerValue, responseHead, statusCode } from './headers.mjs';
import { JobberError } from './errors.mjs';
import { sendReader, toBytes } from './streams/source.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */

/**
 * Whether this is a `Response`: Node's own, or one of a package that looks the same.
 * @param {unknown} value
 * @returns {value is Response}
 */
export function isResponse(value) {
  if (value instanceof Response) return true;
  if (typeof value !== 'object' || value === null) return false;
  const like = /** @type {Record<string, any>} */ (value);
  return (
    typeof like.status === 'number' &&
    typeof like.headers?.get === 'function' &&
    typeof like.arrayBuffer === 'function' &&
    'body' in like
  );
}

/** @param {Response} response */
function headOf(response) {
  /** @type {import('./headers.mjs').Header[]} */
  const headers = [];
  // What `fetch` has unpacked is not packed any more; its length and encoding are those of the packed form.
  const unpacked = response.url !== '' && response.url !== undefined && response.headers.has('content-encoding');
  for (const [name, value] of response.headers) {
    if (unpacked && (name === 'content-encoding' || name === 'content-length')) continue;
    headers.push([headerName(name), headerValue(name, value)]);
  }
  return responseHead(statusCode(response.status), endToEnd(headers));
}

/**
 * Answers with this, and settles the invocation when its body has been sent.
 * @param {Invocation} invocation
 * @param {Response} response
 * @throws {JobberError} if the response cannot be sent
 */
export function sendResponse(invocation, response) {
  if (invocation.output.begun) {
    response.body?.cancel?.().catch(() => {});
    throw new JobberError('already-answered', 'a Response was returned, but the answer has been sent already');
  }
  if (response.bodyUsed) throw new JobberError('bad-response', 'the body of the returned Response was read already');
  const head = headOf(response);
  const { body } = response;
  if (body === null || body === undefined) invocation.complete(head, null);
  else if (body instanceof ReadableStream) sendBody(invocation, head, body.getReader());
  else sendWhole(invocation, head, response);
}

/**
 * For implementations whose bodies are not web streams.
 * @param {Invocation} invocation
 * @param {string} head
 * @param {Response} response
 */
function sendWhole(invocation, head, response) {
  response.arrayBuffer().then(
    (bytes) => invocation.complete(head, new Uint8Array(bytes)),
    (error) => invocation.fail(error),
  );
}

/**
 * Most bodies are there as a whole, although they are streams by type: those are answered in one frame. What is not
 * there at once goes out as it comes.
 * @param {Invocation} invocation
 * @param {string} head
 * @param {ReadableStreamDefaultReader<unknown>} reader
 */
function sendBody(invocation, head, reader) {
  const { output } = invocation;
  /** @type {Uint8Array | null} */
  let first = null;
  let begun = false;

  const fail = (/** @type {unknown} */ error) => {
    if (invocation.aborted) invocation.done();
    else invocation.fail(error);
  };
  const begin = () => {
    if (begun || invocation.closed || invocation.aborted) return;
    begun = true;
    output.begin(head);
    if (first !== null) output.write(first);
  };
  /** @param {{done: boolean, value?: unknown}} result */
  const rest = async ({ done, value }) => {
    if (invocation.aborted) return;
    if (done) {
      output.end();
    } else {
      await output.write(toBytes(value));
      await sendReader(invocation, reader);
    }
  };
  /** @param {{done: boolean, value?: unknown}} result */
  const next = (result) => {
    const { done, value } = result;
    if (!begun && done && !invocation.aborted) {
      begun = true;
      invocation.complete(head, first);
    } else if (!begun && first === null && value instanceof Uint8Array && value.length <= CHUNK_BYTES) {
      first = value;
      reader.read().then(next, fail);
    } else {
      begin();
      rest(result).then(() => invocation.done(), fail);
    }
  };
  invocation.onAbort((reason) => {
    reader.cancel(reason).catch(() => {});
  });
  reader.read().then(next, fail);
  // A tick that is asked for by a microtask comes after all of them: a body that is there has been read by then.
  queueMicrotask(() => process.nextTick(begin));
}

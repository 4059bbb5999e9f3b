// Errors: the runtime's own, which have a code, and how anything that was thrown is told to the manager.

import { inspect } from 'node:util';

/** Most characters of each text of an error; see the protocol §2. */
const MAX_TEXT = 16_384;
/** Most bytes of an error's JSON, so that it fits a frame's head. */
const MAX_JSON = 60_000;
/** How deep causes are followed. */
const MAX_CAUSES = 5;

/** Stack lines of the runtime's own files say nothing to a function's author. */
const OWN_FILES = new URL('.', import.meta.url).href;

/** An error of the runtime's own making; `docs/reference/handler.md` lists the codes. */
export class JobberError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'JobberError';
    this.code = code;
  }
}

/**
 * What was thrown, as the protocol carries it.
 * @typedef {object} ErrorReport
 * @property {string} name
 * @property {string} message
 * @property {string} stack
 * @property {string} [code]
 * @property {string} [value]
 */

/** @param {string} text @param {number} [limit] */
function cut(text, limit = MAX_TEXT) {
  if (Buffer.byteLength(text) <= limit) return text;
  // A cut in the middle of a character leaves U+FFFD, which is a fair mark of it.
  return `${Buffer.from(text).toString('utf8', 0, limit - 3)}…`;
}

/** @param {unknown} value */
function show(value) {
  try {
    return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 3, breakLength: 110 });
  } catch {
    return '[a value that cannot be shown]';
  }
}

/** @param {string} stack */
function withoutOwnFrames(stack) {
  if (!stack.includes(OWN_FILES)) return stack;
  return stack
    .split('\n')
    .filter((line) => !line.includes(OWN_FILES))
    .join('\n');
}

/** @param {Error} error @param {number} depth @returns {string} */
function stackOf(error, depth) {
  let text = withoutOwnFrames(typeof error.stack === 'string' ? error.stack : '');
  if (depth >= MAX_CAUSES || text.length > MAX_TEXT) return text;
  if (error.cause !== undefined) {
    text += `\n[cause]: ${error.cause instanceof Error ? stackOf(error.cause, depth + 1) : show(error.cause)}`;
  }
  if (error instanceof AggregateError && Array.isArray(error.errors)) {
    for (const each of error.errors.slice(0, MAX_CAUSES)) {
      text += `\n[error]: ${each instanceof Error ? stackOf(each, depth + 1) : show(each)}`;
    }
  }
  return text;
}

/** @param {unknown} thrown @returns {thrown is Error} */
function isError(thrown) {
  return (
    thrown instanceof Error ||
    (typeof thrown === 'object' && thrown !== null && 'message' in thrown && 'stack' in thrown)
  );
}

/** @param {unknown} thrown @returns {ErrorReport} */
function report(thrown) {
  if (!isError(thrown)) {
    const value = show(thrown);
    const name = thrown === null ? 'null' : typeof thrown;
    return { name, message: cut(typeof thrown === 'string' ? thrown : value), stack: '', value: cut(value) };
  }
  /** @type {ErrorReport} */
  const told = {
    name: cut(String(thrown.name ?? 'Error'), 256),
    message: cut(String(thrown.message)),
    stack: cut(stackOf(thrown, 0)),
  };
  if ('code' in thrown && (typeof thrown.code === 'string' || typeof thrown.code === 'number')) {
    told.code = cut(String(thrown.code), 256);
  }
  return told;
}

/**
 * Describes anything that was thrown; never throws itself, whatever its getters do.
 * @param {unknown} thrown
 * @returns {ErrorReport}
 */
export function describe(thrown) {
  try {
    const told = report(thrown);
    if (Buffer.byteLength(JSON.stringify(told)) <= MAX_JSON) return told;
    const { name, message, stack, value, code } = told;
    // Control characters grow sixfold in JSON: a quarter of each text fits in any case.
    const short = { name, message: cut(message, 3_000), stack: cut(stack, 3_000) };
    return { ...short, ...(code && { code }), ...(value && { value: cut(value, 3_000) }) };
  } catch {
    return { name: 'unknown', message: 'something was thrown that cannot be described', stack: '' };
  }
}

/**
 * The text of an error for the log: its stack, or what there is of it.
 * @param {unknown} thrown
 */
export function explain(thrown) {
  const { name, message, stack } = describe(thrown);
  return stack === '' ? `${name}: ${message}` : stack;
}

/** @type {Record<string, [string, string]>} */
const REASONS = {
  client: ['AbortError', 'the client has gone away'],
  timeout: ['TimeoutError', 'the time of this invocation is over'],
  shutdown: ['AbortError', 'the runner is shutting down'],
  failed: ['AbortError', 'the invocation has failed'],
};

/**
 * What an invocation's signal is aborted with, and what waiting reads and writes reject with.
 * @param {string} reason
 */
export function abortReason(reason) {
  const [name, message] = REASONS[reason] ?? ['AbortError', 'the invocation was cancelled'];
  return new DOMException(message, name);
}

// Which invocation the code that runs now belongs to.

import { AsyncLocalStorage } from 'node:async_hooks';

/** @type {AsyncLocalStorage<import('./invocation.mjs').Invocation>} */
const storage = new AsyncLocalStorage();

/** The invocation that the running code belongs to, if there is one. */
export function currentInvocation() {
  return storage.getStore();
}

/**
 * Runs a function, and everything it starts, as part of an invocation.
 * @template T
 * @param {import('./invocation.mjs').Invocation} invocation
 * @param {(invocation: import('./invocation.mjs').Invocation) => T} run
 * @returns {T}
 */
export function runAs(invocation, run) {
  return storage.run(invocation, run, invocation);
}

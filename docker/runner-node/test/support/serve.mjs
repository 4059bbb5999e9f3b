// Starts runners for the length of one test.

import { Manager } from './manager.mjs';

/** @typedef {import('node:test').TestContext} TestContext */

/**
 * A connected runner without a job.
 * @param {TestContext} test
 */
export async function connected(test) {
  const manager = await Manager.start();
  test.after(() => manager.stop());
  return manager;
}

/**
 * A runner that serves this module.
 * @param {TestContext} test
 * @param {Parameters<typeof Manager.serving>[0]} module
 * @param {Parameters<typeof Manager.serving>[1]} [options]
 */
export async function serving(test, module, options) {
  const manager = await Manager.serving(module, options);
  test.after(() => manager.stop());
  return manager;
}

// What nobody caught: it fails the invocation that caused it, wherever in the process it came up.

import { currentInvocation } from './current.mjs';
import { EXIT } from './session.mjs';

/** How long other invocations may go on in a process that had an uncaught exception. */
const UNCAUGHT_GRACE_MS = 2_000;

/**
 * @param {import('./session.mjs').Session} session
 */
export function catchFaults(session) {
  let ending = false;

  process.on('unhandledRejection', (reason) => {
    const invocation = currentInvocation();
    if (invocation !== undefined) invocation.fail(reason);
    else if (!session.failImport(reason)) session.logLate(null, reason);
  });

  // After an exception that went through code which did not expect it, nobody knows what state that code is in. The
  // invocation fails, the others get a short time, and then the process goes: the manager starts another.
  process.on('uncaughtException', (error) => {
    const invocation = currentInvocation();
    if (invocation !== undefined) invocation.fail(error);
    else if (!session.failImport(error)) session.logLate(null, error);
    if (ending) return;
    ending = true;
    session.finish(UNCAUGHT_GRACE_MS, EXIT.UNCAUGHT);
  });

  // `process.exit()` in a handler: what was written before it is still told.
  process.on('exit', () => session.flush());
}

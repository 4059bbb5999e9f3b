// Jobber's runtime for Node.js: runs one version of one job. It is started with one line of JSON on its standard input
// and speaks the protocol of docs/reference/protocol.md.

import { catchFaults } from './src/faults.mjs';
import { EXIT, Session, complain } from './src/session.mjs';
import { readStart } from './src/start.mjs';

/** How long a stopped runner may take to let go of what runs. */
const STOP_GRACE_MS = 2_000;

// A function may replace `process.exit`; the runtime's own way out stays.
const exit = process.exit.bind(process);

try {
  const session = new Session(await readStart(process.stdin), exit);
  catchFaults(session);
  process.on('SIGTERM', () => session.shutdown(STOP_GRACE_MS));
} catch (error) {
  complain(/** @type {Error} */ (error).message);
  exit(EXIT.CONNECTION);
}

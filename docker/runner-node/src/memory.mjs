// The most memory that the process has held, told before the end of an invocation that may have taken it.

import { TYPE } from './frames.mjs';

/** Asking takes about a microsecond: a runner with many short invocations does not ask at each, and looks at the clock once in a turn. */
const INTERVAL_MS = 10;

/** Tells the manager the process's peak. */
export class Memory {
  #session;
  #askedAt = -Infinity;
  #told = 0;
  /** In this turn of the event loop it was looked at already. */
  #looked = false;
  #nextTurn = () => {
    this.#looked = false;
  };

  /** @param {import('./session.mjs').Session} session */
  constructor(session) {
    this.#session = session;
  }

  /** An invocation is about to end. */
  tell() {
    if (this.#looked) return;
    this.#looked = true;
    setImmediate(this.#nextTurn);
    const now = performance.now();
    if (now - this.#askedAt < INTERVAL_MS) return;
    this.#askedAt = now;
    const peak = process.resourceUsage().maxRSS * 1024;
    if (peak <= this.#told) return;
    this.#told = peak;
    this.#session.send(TYPE.MEMORY, 0, 0, JSON.stringify({ peakBytes: peak }));
  }
}

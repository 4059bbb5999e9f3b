// How long a process had a processor.

import { readFileSync, readdirSync } from 'node:fs';

/**
 * In milliseconds, over all of its threads, as Linux counts it for its scheduler.
 * @param {number} pid
 */
export function processorMs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const spent = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return spent.reduce((sum, each) => sum + each, 0) / 1e6;
}

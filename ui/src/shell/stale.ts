/** Parts of the panel that can not be fetched: after an upgrade of the server they are others, and on a bad connection one may be lost. */

/** Not more often than this: a page that is loaded again and again is worse than one that says what is wrong. */
const AT_MOST_EVERY_MS = 30_000;
const KEY = 'jobber.loaded-again';

/** Whether the page may be loaded again, given when that was done last. */
function mayLoadAgain(last: string | null, now: number): boolean {
  const at = Number(last ?? 0);
  return !Number.isFinite(at) || at > now || now - at >= AT_MOST_EVERY_MS;
}

/** Loads the page again when a part of it can not be fetched. The second time in a row, the page says what is wrong. */
export function loadAgainWhenStale(): void {
  window.addEventListener('vite:preloadError', () => {
    if (!mayLoadAgain(sessionStorage.getItem(KEY), Date.now())) return;
    sessionStorage.setItem(KEY, String(Date.now()));
    window.location.reload();
  });
}

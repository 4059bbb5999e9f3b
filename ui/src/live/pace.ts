/**
 * How often what is shown is asked for again, in milliseconds, where the API has no stream of it yet. TanStack Query asks
 * only while the page is visible. Logs come as server-sent events.
 */
export const PACE = {
  /** What somebody watches while it happens. */
  feed: 2_000,
  /** What stands on a page that is looked at for a while. */
  page: 5_000,
  /** What changes by the minute. */
  minute: 30_000,
} as const;

import type { Query } from '@tanstack/react-query';

/** What the server tells changes of. */
export type Topic =
  | 'actors' | 'api-tokens' | 'audit' | 'backups' | 'environment' | 'figures' | 'health' | 'invocations' | 'jobs' | 'logs'
  | 'queue' | 'replays' | 'runners' | 'store' | 'triggers' | 'users' | 'versions';

type Topics = readonly Topic[] | ((found: unknown) => readonly Topic[]);

/** After which changes a query is asked again. */
export interface Live {
  /** Of what; it may depend on what was found, which may be something that can not change any more. */
  topics: Topics;
  /** The id of the job that it is about; a query about no job, or about a job by its name, is about any. */
  job?: string | undefined;
}

declare module '@tanstack/react-query' {
  interface Register {
    queryMeta: { live?: Live };
  }
}

/** The `meta` of a query that is asked again after such changes. */
export const live = (topics: Topics, job?: string): { live: Live } => ({ live: { topics, job } });

/** What has changed since it was last asked: of each topic the jobs, or `null` for any. */
export type Changed = ReadonlyMap<Topic, ReadonlySet<string> | null>;

/** Whether what a query found may be different now. */
export function concerns(changed: Changed, live: Live | undefined, found: unknown): boolean {
  if (live === undefined) return false;
  const topics = typeof live.topics === 'function' ? live.topics(found) : live.topics;
  return topics.some((topic) => {
    const jobs = changed.get(topic);
    return jobs === null || (jobs !== undefined && (live.job === undefined || jobs.has(live.job)));
  });
}

/** Changes that wait to be looked at. */
export class Gathered {
  private changed = new Map<Topic, Set<string> | null>();

  /** An event `changed`. */
  add({ topic, jobs }: { topic: Topic; jobs: readonly string[] | null }): void {
    const known = this.changed.get(topic);
    if (jobs === null || known === null) this.changed.set(topic, null);
    else this.changed.set(topic, new Set([...(known ?? []), ...jobs]));
  }

  take(): Changed {
    const taken = this.changed;
    this.changed = new Map();
    return taken;
  }
}

/** A predicate for the query client. */
export const concerned = (changed: Changed) => (query: Query): boolean => concerns(changed, query.meta?.live, query.state.data);

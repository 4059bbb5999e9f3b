import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { live } from '../live/topics';
import { api, data, whole } from './client';
import type { JobAction, Trigger, TriggerKind, Unreadable } from './models';
import type { paths } from './schema';

type QueryOf<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
export type InvocationFilter = Omit<QueryOf<'/api/invocations'>, 'cursor' | 'limit'>;
export type LogFilter = Pick<QueryOf<'/api/job/{job}/logs'>, 'invocation' | 'version' | 'stream' | 'level' | 'text' | 'from' | 'to'>;
export type SeriesFilter = QueryOf<'/api/metrics/series'>;

/** Without those of versions that can not be served. */
export const readable = <T extends object>(all: (T | Unreadable)[]): T[] => all.filter((each): each is T => !('problems' in each));
const unreadable = <T extends object>(all: (T | Unreadable)[]): Unreadable[] => all.filter((each): each is Unreadable => 'problems' in each);

export const jobsQuery = queryOptions({
  queryKey: ['jobs'],
  meta: live(['jobs', 'versions']),
  queryFn: async () => (await whole(api.GET('/api/job', { params: { query: { limit: 1000 } } }))).data,
});

/** The jobs with their runners and triggers as they are now. */
export const detailedJobsQuery = queryOptions({
  queryKey: ['jobs', 'detailed'],
  meta: live(['jobs', 'versions', 'runners', 'triggers']),
  queryFn: async () => (await whole(api.GET('/api/job', { params: { query: { limit: 1000, detailed: true } } }))).data,
});

export const jobQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job],
    meta: live(['jobs', 'versions']),
    queryFn: () => data(api.GET('/api/job/{job}', { params: { path: { job } } })),
  });

export const versionsQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'versions'],
    meta: live(['versions', 'jobs'], job),
    queryFn: async () => (await whole(api.GET('/api/job/{job}/versions', { params: { path: { job } } }))).data,
  });

export const actionsQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'actions'],
    meta: live(['versions', 'jobs'], job),
    queryFn: async () =>
      (await whole(api.GET('/api/job/{job}/actions', { params: { path: { job } } }))).data,
    select: readable<JobAction>,
  });

/** Of which versions of a job it is not known how they run, and why. */
export const unreadableQuery = (job: string) => queryOptions({ ...actionsQuery(job), select: unreadable<JobAction> });

export const currentTriggersQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'triggers'],
    meta: live(['triggers', 'jobs', 'versions'], job),
    queryFn: async () =>
      (await whole(api.GET('/api/job/{job}/triggers:current', { params: { path: { job } } }))).data,
    select: readable<Trigger>,
  });

export const allTriggersQuery = (type?: TriggerKind) =>
  queryOptions({
    queryKey: ['triggers', type ?? 'all'],
    meta: live(['triggers', 'jobs', 'versions']),
    queryFn: async () =>
      (await whole(api.GET('/api/job/triggers', { params: { query: { limit: 1000, ...(type ? { type } : {}) } } })))
        .data,
    select: readable<Trigger>,
  });

export const allActionsQuery = queryOptions({
  queryKey: ['actions'],
  meta: live(['jobs', 'versions']),
  queryFn: async () =>
    (await whole(api.GET('/api/job/actions', { params: { query: { limit: 1000 } } }))).data,
  select: readable<JobAction>,
});

export const triggerStatusQuery = (job: string, trigger: string) =>
  queryOptions({
    queryKey: ['job', job, 'trigger', trigger, 'status'],
    meta: live(['triggers', 'jobs', 'invocations'], job),
    queryFn: async () =>
      (await data(
        api.GET('/api/job/{job}/triggers/{trigger}/status', { params: { path: { job, trigger } } }),
      )),
  });

export const firesQuery = (job: string, trigger: string) =>
  queryOptions({
    queryKey: ['job', job, 'trigger', trigger, 'fires'],
    meta: live(['triggers', 'invocations'], job),
    queryFn: async () =>
      (await whole(
        api.GET('/api/job/{job}/triggers/{trigger}/fires', { params: { path: { job, trigger }, query: { limit: 10 } } }),
      )).data,
  });

export const runnersQuery = (job?: string) =>
  queryOptions({
    queryKey: ['runners', job ?? 'all'],
    meta: live(['runners'], job),
    queryFn: async () =>
      (await whole(
        job === undefined
          ? api.GET('/api/job/runners', { params: { query: { limit: 1000 } } })
          : api.GET('/api/job/{job}/runners', { params: { path: { job }, query: { limit: 1000 } } }),
      )).data,
  });

export const variablesQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'environment'],
    meta: live(['environment'], job),
    queryFn: async () => (await whole(api.GET('/api/job/{job}/environment', { params: { path: { job } } }))).data,
  });

export const queueQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'queue'],
    meta: live(['queue'], job),
    queryFn: () => data(api.GET('/api/job/{job}/queue', { params: { path: { job } } })),
  });

/** What is in the durable queue, of every job of which one may read that, by the job's id. */
export const queuesQuery = queryOptions({
  queryKey: ['queues'],
  meta: live(['queue']),
  queryFn: async () => new Map((await whole(api.GET('/api/queues', { params: { query: { limit: 1000 } } }))).data.map((queue) => [queue.jobId, queue])),
});

/** Dead letters, a hundred at a time, of one job or of all. */
export const deadLettersQuery = (job: string | null) =>
  infiniteQueryOptions({
    queryKey: ['dead-letters', job ?? 'all'],
    meta: live(['queue'], job ?? undefined),
    queryFn: ({ pageParam }: { pageParam: string | null }) => {
      const query = { limit: 100, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return whole(job === null
        ? api.GET('/api/dead-letters', { params: { query } })
        : api.GET('/api/job/{job}/dead-letters', { params: { path: { job }, query } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next ?? null,
  });

export const seriesQuery = (job: string | null, span: { seconds: number; step: number }) =>
  queryOptions({
    queryKey: ['series', job ?? 'all', span.seconds, span.step],
    meta: live(['figures']),
    queryFn: () => {
      const from = new Date(Date.now() - span.seconds * 1000).toISOString();
      const query = { from, step: span.step };
      return data(
        job === null
          ? api.GET('/api/metrics/series', { params: { query } })
          : api.GET('/api/job/{job}/metrics/series', { params: { path: { job }, query } }),
      );
    },
    placeholderData: (before) => before,
  });

const hasOnePart = (found: unknown) => ((found as { pages: unknown[] } | undefined)?.pages.length ?? 0) <= 1;

/** What every job came to in the last 24 hours, by the job's id. */
export const figuresQuery = queryOptions({
  queryKey: ['figures'],
  meta: live(['figures', 'jobs']),
  queryFn: async () => new Map((await data(api.GET('/api/metrics/jobs'))).jobs.map((figures) => [figures.jobId, figures])),
});

/** Attempts as points of a chart, however many there are: a sample of many, chosen by the server. */
export const pointsQuery = (job: string | null, { sort: _, ...filter }: InvocationFilter, follows: boolean) =>
  queryOptions({
    queryKey: ['invocation-points', job ?? 'all', filter],
    // A sample is of so many that few more do not show.
    ...(follows ? { meta: live((found) => ((found as { sampled: boolean } | undefined)?.sampled ? ['figures'] : ['invocations']), job ?? undefined) } : {}),
    queryFn: () => {
      if (job === null) return data(api.GET('/api/invocations/points', { params: { query: filter } }));
      const { jobId: __, ...query } = filter;
      return data(api.GET('/api/job/{job}/invocations/points', { params: { path: { job }, query } }));
    },
    placeholderData: (before) => before,
  });

/** Attempts, a hundred at a time, of one job or of all. */
export const invocationsQuery = (job: string | null, filter: InvocationFilter, follows: boolean) =>
  infiniteQueryOptions({
    queryKey: ['invocations', job ?? 'all', filter],
    // Only while the first part is all there is to see: it is where new ones come.
    ...(follows ? { meta: live((found) => (hasOnePart(found) ? ['invocations'] : []), job ?? undefined) } : {}),
    queryFn: ({ pageParam }: { pageParam: string | null }) => {
      const query = { ...filter, limit: 100, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return whole(
        job === null
          ? api.GET('/api/invocations', { params: { query } })
          : api.GET('/api/job/{job}/invocations', { params: { path: { job }, query } }),
      );
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next ?? null,
    placeholderData: (before) => before,
  });

export const invocationQuery = (id: string) =>
  queryOptions({
    queryKey: ['invocation', id],
    meta: live((found) => ((found as { ended?: string | null } | undefined)?.ended == null ? ['invocations', 'queue'] : [])),
    queryFn: () => data(api.GET('/api/invocations/{invocation}', { params: { path: { invocation: id } } })),
  });

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  meta: live(['invocations', 'runners', 'queue', 'figures']),
  queryFn: () => data(api.GET('/api/metrics/overview')),
});

/** How much jobs keep, and how much room is left. */
export const storageQuery = queryOptions({
  queryKey: ['storage'],
  meta: live(['figures', 'versions', 'queue']),
  queryFn: () => data(api.GET('/api/storage')),
});

/** How the server stands. A server that is not ready says so with 503, which is an answer here. */
export const healthQuery = queryOptions({
  queryKey: ['health'],
  meta: live(['health']),
  queryFn: async () => {
    const { data: ready, error } = await api.GET('/readyz');
    const body = (ready ?? error) as { data?: { status: string; checks: import('./models').Check[] } } | undefined;
    if (body?.data === undefined) return await data(api.GET('/readyz'));
    return body.data;
  },
});

export const treeQuery = queryOptions({
  queryKey: ['tree'],
  meta: live(['actors', 'invocations']),
  queryFn: async () => (await data(api.GET('/api/debug/tree'))),
});

export const settingsQuery = queryOptions({
  queryKey: ['config'],
  queryFn: () => data(api.GET('/api/config')),
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  meta: live(['users']),
  queryFn: async () => (await whole(api.GET('/api/users', { params: { query: { limit: 1000 } } }))).data,
});

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  meta: live(['api-tokens', 'users']),
  queryFn: async () => (await whole(api.GET('/api/api-tokens', { params: { query: { limit: 1000 } } }))).data,
});

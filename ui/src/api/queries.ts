import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { PACE } from '../live/pace';
import { api, data, whole } from './client';
import type { Actor, JobAction, Runner, Trigger, TriggerKind, TriggerStatus } from './models';
import type { paths } from './schema';

type QueryOf<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
export type InvocationFilter = Omit<QueryOf<'/api/invocations'>, 'cursor' | 'limit'>;
export type LogFilter = Pick<QueryOf<'/api/job/{job}/logs'>, 'invocation' | 'version' | 'stream' | 'level' | 'text' | 'from' | 'to'>;
export type SeriesFilter = QueryOf<'/api/metrics/series'>;

export const jobsQuery = queryOptions({
  queryKey: ['jobs'],
  queryFn: async () => (await whole(api.GET('/api/job', { params: { query: { limit: 1000 } } }))).data,
  refetchInterval: PACE.page,
});

export const jobQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job],
    queryFn: () => data(api.GET('/api/job/{job}', { params: { path: { job } } })),
    refetchInterval: PACE.page,
  });

export const versionsQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'versions'],
    queryFn: async () => (await whole(api.GET('/api/job/{job}/versions', { params: { path: { job } } }))).data,
    refetchInterval: PACE.page,
  });

export const actionsQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'actions'],
    queryFn: async () =>
      (await whole(api.GET('/api/job/{job}/actions', { params: { path: { job } } }))).data as unknown as JobAction[],
  });

export const currentTriggersQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'triggers'],
    queryFn: async () =>
      (await whole(api.GET('/api/job/{job}/triggers:current', { params: { path: { job } } }))).data as unknown as Trigger[],
    refetchInterval: PACE.minute,
  });

export const allTriggersQuery = (type?: TriggerKind) =>
  queryOptions({
    queryKey: ['triggers', type ?? 'all'],
    queryFn: async () =>
      (await whole(api.GET('/api/job/triggers', { params: { query: { limit: 1000, ...(type ? { type } : {}) } } })))
        .data as unknown as Trigger[],
    refetchInterval: PACE.minute,
  });

export const allActionsQuery = queryOptions({
  queryKey: ['actions'],
  queryFn: async () =>
    (await whole(api.GET('/api/job/actions', { params: { query: { limit: 1000 } } }))).data as unknown as JobAction[],
  refetchInterval: PACE.minute,
});

export const triggerStatusQuery = (job: string, trigger: string) =>
  queryOptions({
    queryKey: ['job', job, 'trigger', trigger, 'status'],
    queryFn: async () =>
      (await data(
        api.GET('/api/job/{job}/triggers/{trigger}/status', { params: { path: { job, trigger } } }),
      )) as unknown as TriggerStatus,
    refetchInterval: PACE.page,
  });

export const firesQuery = (job: string, trigger: string) =>
  queryOptions({
    queryKey: ['job', job, 'trigger', trigger, 'fires'],
    queryFn: async () =>
      (await whole(
        api.GET('/api/job/{job}/triggers/{trigger}/fires', { params: { path: { job, trigger }, query: { limit: 10 } } }),
      )).data,
    refetchInterval: PACE.page,
  });

export const runnersQuery = (job?: string) =>
  queryOptions({
    queryKey: ['runners', job ?? 'all'],
    queryFn: async () =>
      (await whole(
        job === undefined
          ? api.GET('/api/job/runners', { params: { query: { limit: 1000 } } })
          : api.GET('/api/job/{job}/runners', { params: { path: { job }, query: { limit: 1000 } } }),
      )).data as unknown as Runner[],
    refetchInterval: PACE.feed,
  });

export const variablesQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'environment'],
    queryFn: async () => (await whole(api.GET('/api/job/{job}/environment', { params: { path: { job } } }))).data,
  });

export const queueQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'queue'],
    queryFn: () => data(api.GET('/api/job/{job}/queue', { params: { path: { job } } })),
    refetchInterval: PACE.page,
  });

export const seriesQuery = (job: string | null, span: { seconds: number; step: number }) =>
  queryOptions({
    queryKey: ['series', job ?? 'all', span.seconds, span.step],
    queryFn: () => {
      const from = new Date(Date.now() - span.seconds * 1000).toISOString();
      const query = { from, step: span.step };
      return data(
        job === null
          ? api.GET('/api/metrics/series', { params: { query } })
          : api.GET('/api/job/{job}/metrics/series', { params: { path: { job }, query } }),
      );
    },
    refetchInterval: PACE.minute,
    placeholderData: (before) => before,
  });

/** Attempts, a hundred at a time, of one job or of all. */
export const invocationsQuery = (job: string | null, filter: InvocationFilter, live: boolean) =>
  infiniteQueryOptions({
    queryKey: ['invocations', job ?? 'all', filter],
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
    // Only the first part is asked for again and again: it is where new ones come.
    refetchInterval: (query) => (live && (query.state.data?.pages.length ?? 0) <= 1 ? PACE.feed : false),
    placeholderData: (before) => before,
  });

export const invocationQuery = (id: string) =>
  queryOptions({
    queryKey: ['invocation', id],
    queryFn: () => data(api.GET('/api/invocations/{invocation}', { params: { path: { invocation: id } } })),
    refetchInterval: (query) => (query.state.data?.ended == null ? PACE.feed : false),
  });

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: () => data(api.GET('/api/metrics/overview')),
  refetchInterval: PACE.page,
});

/** How the server stands. A server that is not ready says so with 503, which is an answer here. */
export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: async () => {
    const { data: ready, error } = await api.GET('/readyz');
    const body = (ready ?? error) as { data?: { status: string; checks: import('./models').Check[] } } | undefined;
    if (body?.data === undefined) return await data(api.GET('/readyz'));
    return body.data;
  },
  refetchInterval: PACE.page,
});

export const treeQuery = queryOptions({
  queryKey: ['tree'],
  queryFn: async () => (await data(api.GET('/api/debug/tree'))) as unknown as Actor,
  refetchInterval: PACE.feed,
});

export const settingsQuery = queryOptions({
  queryKey: ['config'],
  queryFn: () => data(api.GET('/api/config')),
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async () => (await whole(api.GET('/api/users', { params: { query: { limit: 1000 } } }))).data,
});

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: async () => (await whole(api.GET('/api/api-tokens', { params: { query: { limit: 1000 } } }))).data,
});

import { queryOptions, useQueryClient, useSuspenseQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, data, storedToken, whole } from '../api/client';
import type { Job } from '../api/models';
import { type Act, type Segment, may, maySome } from './permissions';

export const identityQuery = queryOptions({
  queryKey: ['identity'],
  queryFn: () => data(api.GET('/api/auth')),
  staleTime: 60_000,
  retry: false,
});

export interface Rights {
  /** Whether this one resource may be used so. */
  may: (act: Act, ...resource: Segment[]) => boolean;
  /** Whether some such resource may be, so that a page about them makes sense. */
  some: (act: Act, ...resource: Segment[]) => boolean;
  /** Whether something of this job may be used so; `*` in the rest asks about some of it. */
  ofJob: (job: Pick<Job, 'id' | 'name'>, act: Act, ...rest: Segment[]) => boolean;
}

export function useIdentity() {
  return useSuspenseQuery(identityQuery).data;
}

export function useRights(): Rights {
  const me = useIdentity();
  return useMemo(
    () => ({
      may: (act, ...resource) => may(me, act, resource),
      some: (act, ...resource) => maySome(me, act, resource),
      ofJob: (job, act, ...rest) => {
        const resource: Segment[] = ['job', [job.id, job.name], ...rest];
        return rest.includes('*') ? maySome(me, act, resource) : may(me, act, resource);
      },
    }),
    [me],
  );
}

export function useSignOut(): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    // Without a cookie there is no session to end; the token is only forgotten.
    if (storedToken.get() === null) await whole(api.POST('/api/auth/logout'));
    storedToken.clear();
    queries.clear();
    window.location.assign('/sign-in');
  };
}

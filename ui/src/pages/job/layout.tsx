import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useParams, useRouterState } from '@tanstack/react-router';
import { Suspense, useEffect, useRef } from 'react';
import type { Job } from '../../api/models';
import { jobQuery } from '../../api/queries';
import { JobBadge, PageHead } from '../../components/basics';
import { Loaded } from '../../components/failure';
import { useTitle } from '../../components/title';
import { type Rights, useRights } from '../../session/session';
import { JobContext } from './context';

const TABS = [
  { to: '/jobs/$job', title: 'Overview', shown: () => true },
  { to: '/jobs/$job/invocations', title: 'Invocations', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'invocations') },
  { to: '/jobs/$job/logs', title: 'Logs', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'logs') },
  { to: '/jobs/$job/metrics', title: 'Metrics', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'metrics') },
  { to: '/jobs/$job/versions', title: 'Versions', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'versions', '*') },
  { to: '/jobs/$job/environment', title: 'Environment', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'environment', '*') },
  { to: '/jobs/$job/triggers', title: 'Triggers', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'triggers', '*') },
  { to: '/jobs/$job/dead-letters', title: 'Dead letters', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'dead-letters') },
  { to: '/jobs/$job/store', title: 'Store', shown: (r: Rights, job: Job) => r.ofJob(job, 'read', 'store', '*') },
  { to: '/jobs/$job/settings', title: 'Settings', shown: () => true },
] as const;

/** A job's head and tabs; each tab is a page of its own. */
export function JobLayout() {
  const { job: name } = useParams({ from: '/app/jobs/$job' });
  const job = useQuery(jobQuery(name));
  const rights = useRights();
  useTitle(name);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const tabs = useRef<HTMLElement>(null);
  const there = job.data !== undefined;
  useEffect(() => {
    // On a phone the tabs are wider than the window.
    tabs.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [path, there]);
  return (
    <Loaded query={job}>
      {(found) => (
        <JobContext value={found}>
          <PageHead title={<span className="row">{found.name} <span className="tag">{found.version ?? 'no version'}</span> <small><JobBadge job={found} /></small></span>}
            {...(found.description ? { about: found.description } : {})} />
          <nav ref={tabs} className="tabs" aria-label={`Pages of ${found.name}`}>
            {TABS.filter((tab) => tab.shown(rights, found)).map(({ to, title }) => (
              <Link key={to} to={to} params={{ job: name }} activeOptions={{ exact: true, includeSearch: false }}>{title}</Link>
            ))}
          </nav>
          <Suspense fallback={<div className="loading" role="status">Loading…</div>}><Outlet /></Suspense>
        </JobContext>
      )}
    </Loaded>
  );
}

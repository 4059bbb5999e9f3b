import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { type Actor, BAD_OUTCOMES, type Job } from '../api/models';
import { detailedJobsQuery, invocationsQuery, queuesQuery, treeQuery } from '../api/queries';
import { Badge, Card, Empty, Time } from '../components/basics';
import { plural } from '../components/format';
import { useRights } from '../session/session';

interface Matter {
  key: string;
  status: string;
  text: ReactNode;
  to: ReactNode;
}

const LATELY = 86_400_000;
/** So many restarts of one actor are a loop. */
const LOOP = 5;

function* actors(actor: Actor): Generator<Actor> {
  yield actor;
  for (const child of actor.children) yield* actors(child);
}

/** What somebody should look at: jobs that do not serve, failures, dead letters, missed schedules, brokers, crash loops. */
export function Attention({ jobs }: { jobs: readonly Job[] }) {
  const matters = [...idle(jobs), ...useFailures(jobs), ...useLetters(), ...useTriggers(), ...useLoops()];
  return (
    <Card title="Needs attention" flush>
      {matters.length === 0 ? <Empty title="Nothing needs you">Every job that is enabled serves. No failures, dead letters, missed schedules, lost brokers or crash loops in 24 hours.</Empty> : (
        <ul>{matters.map((matter) => <li key={matter.key} className="line row between"><Badge status={matter.status} text={matter.text} />{matter.to}</li>)}</ul>
      )}
    </Card>
  );
}

/** Jobs that look healthy because nothing ever calls them: no version serves, or the one that should can not be imported. */
function idle(jobs: readonly Job[]): Matter[] {
  return jobs.filter((job) => job.status === 'enabled' && (job.jobVersionId == null || job.importFailed != null)).map((job) => ({
    key: `idle-${job.id}`, status: job.importFailed == null ? 'degraded' : 'failed',
    text: <span><strong>{job.name}</strong>: {notServing(job)}</span>,
    to: <Link className="btn small" to="/jobs/$job/versions" params={{ job: job.name }}>Look</Link>,
  }));
}

function notServing({ importFailed, jobVersionId }: Job): string {
  if (importFailed == null) return 'no version is active';
  return `${importFailed.version}${jobVersionId == null ? '' : ', the active version,'} could not be imported`;
}

function useFailures(jobs: readonly Job[]): Matter[] {
  const rights = useRights();
  // Rounded, so that the query stays the same while the page is looked at.
  const [from] = useState(() => new Date(Math.floor((Date.now() - LATELY) / 60_000) * 60_000).toISOString());
  const enabled = rights.some('read', 'job', '*', 'invocations');
  const options = { enabled };
  const failed = useInfiniteQuery({ ...invocationsQuery(null, { status: BAD_OUTCOMES.join(','), from }, true), ...options });
  const missed = useInfiniteQuery({ ...invocationsQuery(null, { status: 'missed', from }, true), ...options });
  const names = new Map(jobs.map((job) => [job.id, job.name]));
  const matters = (query: typeof failed, status: string, what: string, search: Record<string, string>): Matter[] => {
    const groups = Object.groupBy(query.data?.pages[0]?.data ?? [], (item) => item.jobId);
    return Object.entries(groups).map(([id, items]) => {
      const many = items?.length ?? 0;
      const name = names.get(id) ?? id.slice(-8);
      return {
        key: `${status}-${id}`, status,
        text: <span><strong>{name}</strong>: {many}{many >= 100 ? ' or more' : ''} {what}, last <Time at={items?.[0]?.queued} /></span>,
        to: names.has(id) ? <Link className="btn small" to="/jobs/$job/invocations" params={{ job: name }} search={search}>Look</Link> : null,
      };
    });
  };
  return [
    ...matters(failed, 'failed', 'went wrong', { status: BAD_OUTCOMES.join(','), from }),
    ...matters(missed, 'missed', 'missed', { status: 'missed', from }),
  ];
}

function useLetters(): Matter[] {
  const rights = useRights();
  const queues = useQuery({ ...queuesQuery, enabled: rights.some('read', 'job', '*', 'queue') });
  return [...(queues.data?.values() ?? [])].filter((queue) => queue.dead > 0).map((queue) => ({
    key: `dead-${queue.jobId}`, status: 'dead', text: <span><strong>{queue.name}</strong>: {plural(queue.dead, 'dead letter')}</span>,
    to: <Link className="btn small" to="/jobs/$job/dead-letters" params={{ job: queue.name }}>Decide</Link>,
  }));
}

/** Triggers that do not work: brokers are what gets lost; routes and schedules stand with the server. */
function useTriggers(): Matter[] {
  const jobs = useQuery(detailedJobsQuery);
  return (jobs.data ?? []).filter((job) => job.status === 'enabled').flatMap((job) => (job.triggers ?? [])
    .filter((trigger) => trigger.status === 'unhealthy')
    .map((trigger) => ({
      key: `trigger-${trigger.id}`, status: 'unhealthy', text: <span><strong>{job.name}</strong>: {trigger.message}</span>,
      to: <Link className="btn small" to="/jobs/$job/triggers" params={{ job: job.name }}>Look</Link>,
    })));
}

function useLoops(): Matter[] {
  const rights = useRights();
  const tree = useQuery({ ...treeQuery, enabled: rights.may('read', 'system', 'supervision') });
  if (tree.data === undefined) return [];
  return [...actors(tree.data)].filter((actor) => actor.restarts >= LOOP || actor.state === 'backing-off').slice(0, 5).map((actor) => ({
    key: `loop-${actor.id}`, status: 'unhealthy', text: <span><strong>{actor.name}</strong>: {plural(actor.restarts, 'restart')}</span>,
    to: <Link className="btn small" to="/supervision">Look</Link>,
  }));
}

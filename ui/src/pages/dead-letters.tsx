import { useQueries, useQuery } from '@tanstack/react-query';
import { jobsQuery, queueQuery } from '../api/queries';
import { Card, Empty, PageHead } from '../components/basics';
import { Loaded } from '../components/failure';
import { Letters } from '../components/letters';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import type { Job } from '../api/models';

export function DeadLetters() {
  useTitle('Dead letters');
  const rights = useRights();
  const jobs = useQuery(jobsQuery);
  return (
    <>
      <PageHead title="Dead letters" about="What failed for good, after all its retries. It waits until a person decides." />
      <Loaded query={jobs}>{(all) => <ByJob jobs={all.filter((job) => rights.ofJob(job, 'read', 'dead-letters'))} />}</Loaded>
    </>
  );
}

function ByJob({ jobs }: { jobs: readonly Job[] }) {
  const rights = useRights();
  const queues = useQueries({ queries: jobs.map((job) => ({ ...queueQuery(job.id), enabled: rights.ofJob(job, 'read', 'queue') })) });
  // Who may not see how much waits may still see the letters: then every job is asked.
  const shown = jobs.filter((job, index) => !rights.ofJob(job, 'read', 'queue') || (queues[index]?.data?.dead ?? 0) > 0);
  if (queues.some((queue) => queue.isLoading)) return <div className="loading" role="status">Loading…</div>;
  if (shown.length === 0) return <Card><Empty title="No dead letters">Everything that had to happen has happened, or is still being tried.</Empty></Card>;
  return <div className="stack">{shown.map((job) => <Letters key={job.id} job={job} hideEmpty />)}</div>;
}

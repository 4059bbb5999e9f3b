import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, whole } from '../api/client';
import type { Runner } from '../api/models';
import { allActionsQuery, jobsQuery, runnersQuery } from '../api/queries';
import { ActButton } from '../components/act';
import { Badge, Card, Copy, Empty, PageHead, Stats, Time } from '../components/basics';
import { Confirm } from '../components/dialog';
import { Loaded } from '../components/failure';
import { count } from '../components/format';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';

export function Runners() {
  useTitle('Runners');
  const rights = useRights();
  const runners = useQuery(runnersQuery());
  const jobs = useQuery(jobsQuery);
  const actions = useQuery({ ...allActionsQuery, enabled: rights.some('read', 'job', '*', 'actions') });
  const [killing, setKilling] = useState<Runner | null>(null);
  const jobOf = (runner: Runner) => jobs.data?.find((job) => job.id === runner.jobId);
  const end = (runner: Runner, forceful: boolean) => whole(api.DELETE('/api/job/{job}/runners/{runner}', { params: { path: { job: runner.jobId, runner: runner.id }, query: { forceful } } }));
  const mayEnd = (runner: Runner) => {
    const job = jobOf(runner);
    return job !== undefined && rights.ofJob(job, 'delete', 'runners', runner.id);
  };
  const stages = Object.entries(Object.groupBy(runners.data ?? [], (runner) => runner.stage));
  return (
    <>
      <PageHead title="Runners" about="The containers or processes in which functions run. Another one replaces an ended one if need be." />
      <div className="stack">
        {stages.length === 0 ? null : <Stats items={stages.map(([stage, some]) => ({ label: stage, value: count(some?.length ?? 0) }))} />}
        <Card flush>
          <Loaded query={runners}>
            {(all) => (all.length === 0 ? <Empty title="No runner now">They start with the next event, or with a job whose runnerMinCount is more than 0.</Empty> : (
              <Table label="Runners" items={all} id={(runner) => runner.id} columns={[
                { name: 'Stage', narrow: true, cell: (runner) => <Badge status={runner.stage} /> },
                { name: 'Job', cell: (runner) => {
                  const job = jobOf(runner);
                  return job === undefined ? <code>{runner.jobId.slice(-8)}</code> : <Link to="/jobs/$job" params={{ job: job.name }}>{job.name}</Link>;
                } },
                { name: 'Version', narrow: true, wide: true, cell: (runner) => actions.data?.find((action) => action.versionId === runner.versionId)?.version ?? '–' },
                { name: 'Id', narrow: true, wide: true, cell: (runner) => <span className="row tight"><code>{runner.id.slice(-12)}</code><Copy text={runner.id} label="Copy the id" /></span> },
                { name: 'Started', narrow: true, cell: (runner) => <Time at={runner.created} /> },
                { name: 'Ready after', num: true, wide: true, cell: (runner) => (runner.ready == null ? '–' : `${Date.parse(runner.ready) - Date.parse(runner.created)} ms`) },
                { name: 'Actions', silent: true, narrow: true, cell: (runner) => (mayEnd(runner) ? (
                  <span className="row tight">
                    <ActButton className="btn small" run={() => end(runner, false)} what="It could not be stopped" done="It stops after what it has">Stop</ActButton>
                    <button type="button" className="btn small danger" onClick={() => setKilling(runner)}>Kill</button>
                  </span>
                ) : null) },
              ]} />
            ))}
          </Loaded>
        </Card>
      </div>
      {killing === null ? null : (
        <Confirm title="Kill this runner?" action="Kill" danger onClose={() => setKilling(null)} onConfirm={() => end(killing, true).then(() => runners.refetch())}>
          <p>What it works on is lost: its callers are answered 502, messages and schedules are tried again.</p>
        </Confirm>
      )}
    </>
  );
}

import { useQueries, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { Job, JobAction, MetricPoint, Runner, Trigger, TriggerKind } from '../api/models';
import { allActionsQuery, allTriggersQuery, jobsQuery, runnersQuery, seriesQuery, triggerStatusQuery } from '../api/queries';
import { Badge, Card, Empty, Kind, PageHead, Time } from '../components/basics';
import { Loaded } from '../components/failure';
import { count, duration, percent } from '../components/format';
import { PublishDialog } from '../components/publish-dialog';
import { Spark, summed } from '../components/spark';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import { SampleButton } from './first-function';

const DAY = { seconds: 86_400, step: 3_600 };
/** For more jobs than this, charts are only asked for of those that are looked for. */
const MOST_CHARTS = 60;

export function Jobs() {
  useTitle('Jobs');
  const { search = '', status = '', publish } = useSearch({ from: '/app/jobs' });
  const navigate = useNavigate({ from: '/jobs' });
  const rights = useRights();
  const jobs = useQuery(jobsQuery);
  const set = (change: Record<string, string | undefined>) =>
    void navigate({ search: (before) => ({ ...before, ...change }) as Record<string, string>, replace: true });
  const mayPublish = rights.may('write', 'job', '-', 'publish');
  return (
    <>
      <PageHead title="Jobs" about="What is published here, and how it did in the last 24 hours."
        actions={mayPublish ? <button type="button" className="btn primary" onClick={() => set({ publish: 'yes' })}>Publish</button> : undefined} />
      <div className="filters" role="search">
        <input className="text" type="search" aria-label="Search jobs" placeholder="Name or description" value={search} onChange={(event) => set({ search: event.target.value })} />
        <select aria-label="Status" value={status} onChange={(event) => set({ status: event.target.value })}>
          <option value="">Enabled and disabled</option><option value="enabled">Enabled</option><option value="disabled">Disabled</option>
        </select>
      </div>
      <Card flush>
        <Loaded query={jobs}>
          {(all) => {
            const text = search.toLowerCase();
            const shown = all.filter((job) => (status === '' || job.status === status)
              && (job.name.toLowerCase().includes(text) || (job.description ?? '').toLowerCase().includes(text)));
            if (all.length === 0) return <Empty title="No job is published yet" action={mayPublish ? <SampleButton /> : undefined}>Publish a zip, or begin with a sample.</Empty>;
            if (shown.length === 0) return <Empty title="No job is like this">Search for something else, or show all of them.</Empty>;
            return <JobTable jobs={shown} />;
          }}
        </Loaded>
      </Card>
      {publish !== undefined && mayPublish ? <PublishDialog onClose={() => set({ publish: undefined })} /> : null}
    </>
  );
}

function JobTable({ jobs }: { jobs: readonly Job[] }) {
  const navigate = useNavigate();
  const rights = useRights();
  const actions = useQuery({ ...allActionsQuery, enabled: rights.some('read', 'job', '*', 'actions') });
  const triggers = useQuery({ ...allTriggersQuery(), enabled: rights.some('read', 'job', '*', 'triggers', '*') });
  const runners = useQuery({ ...runnersQuery(), enabled: rights.some('read', 'job', '*', 'runners', '*') });
  const charts = useQueries({
    queries: jobs.slice(0, MOST_CHARTS).map((job) => ({ ...seriesQuery(job.id, DAY), enabled: rights.ofJob(job, 'read', 'metrics') })),
  });
  const points = new Map<string, readonly MetricPoint[]>();
  charts.forEach((chart, index) => {
    const job = jobs[index];
    if (job !== undefined && chart.data !== undefined) points.set(job.id, chart.data.points);
  });
  const sums = (job: Job) => summed(points.get(job.id) ?? []);
  const actionOf = (job: Job): JobAction | undefined => actions.data?.find((action) => action.versionId === job.jobVersionId);
  const runnersOf = (job: Job): Runner[] => runners.data?.filter((runner) => runner.jobId === job.id) ?? [];
  const triggersOf = (job: Job): Trigger[] => triggers.data?.filter((trigger) => trigger.versionId === job.jobVersionId) ?? [];
  return (
    <Table label="Jobs" items={jobs} id={(job) => job.id} onOpen={(job) => void navigate({ to: '/jobs/$job', params: { job: job.name } })}
      columns={[
        { name: 'Job', cell: (job) => (
          <><Link to="/jobs/$job" params={{ job: job.name }}><strong>{job.name}</strong></Link>{job.description ? <span className="desc clip">{job.description}</span> : null}</>
        ) },
        { name: 'Status', narrow: true, cell: (job) => <Badge status={job.status} /> },
        { name: 'Version', narrow: true, wide: true, cell: (job) => job.version ?? <span className="muted">none active</span> },
        { name: 'Started by', narrow: true, cell: (job) => <TriggerIcons job={job} triggers={triggersOf(job)} /> },
        { name: '24 h', narrow: true, wide: true, cell: (job) => {
          const all = sums(job).all;
          return points.has(job.id) ? <Spark points={points.get(job.id) ?? []} label={`${count(all)} invocations in 24 hours`} /> : <span className="muted">–</span>;
        } },
        { name: 'Invocations', num: true, wide: true, cell: (job) => (points.has(job.id) ? count(sums(job).all) : '–') },
        { name: 'Errors', num: true, cell: (job) => {
          const { errorShare } = sums(job);
          return <span className={errorShare !== null && errorShare > 0 ? 'bad' : undefined}>{percent(errorShare)}</span>;
        } },
        { name: 'p95', num: true, cell: (job) => duration(sums(job).p95) },
        { name: 'Runners', num: true, cell: (job) => <span title="running now / most">{runnersOf(job).length} / {actionOf(job)?.runnerMaxCount ?? '–'}</span> },
        { name: 'Changed', narrow: true, wide: true, cell: (job) => <Time at={job.modified} /> },
      ]} />
  );
}

const KINDS: readonly TriggerKind[] = ['http', 'mqtt', 'schedule'];

/** The kinds of a job's triggers. A kind one of which does not stand well says so. */
function TriggerIcons({ job, triggers }: { job: Job; triggers: readonly Trigger[] }) {
  // Brokers are what gets lost; routes and schedules stand with the server.
  const remote = triggers.filter((trigger) => trigger.type === 'mqtt');
  const states = useQueries({ queries: remote.map((trigger) => triggerStatusQuery(job.id, trigger.id)) });
  const ill = states.some((state) => state.data?.status === 'unhealthy');
  return (
    <span className="row">
      {KINDS.filter((kind) => triggers.some((trigger) => trigger.type === kind)).map((kind) => (
        <span key={kind} className={kind === 'mqtt' && ill ? 'kind bad' : 'kind'}>
          <Kind type={kind} label={false} />{kind === 'mqtt' && ill ? <span className="sr">, disconnected</span> : null}
        </span>
      ))}
      {triggers.length === 0 ? <span className="muted">–</span> : null}
    </span>
  );
}

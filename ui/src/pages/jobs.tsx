import { useQueries, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { Job, JobAction, Runner, Trigger, TriggerKind } from '../api/models';
import { allActionsQuery, allTriggersQuery, figuresQuery, jobsQuery, runnersQuery, triggerStatusQuery } from '../api/queries';
import { Badge, Card, Empty, Kind, PageHead, Time } from '../components/basics';
import { Loaded } from '../components/failure';
import { count, duration, percent } from '../components/format';
import { PublishDialog } from '../components/publish-dialog';
import { Spark } from '../components/spark';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import { SampleButton } from './first-function';

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
  const figures = useQuery({ ...figuresQuery, enabled: rights.some('read', 'job', '*', 'metrics') });
  /** What is said of a job's day; nothing of one that may not be asked for. A job that is not in the answer had none. */
  const day = (job: Job) => figures.data?.get(job.id);
  const known = (job: Job) => figures.data !== undefined && rights.ofJob(job, 'read', 'metrics');
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
        { name: '24 h', narrow: true, wide: true, cell: (job) => (!known(job) ? <span className="muted">–</span> : (
          <Spark counts={day(job)?.counts ?? []} errors={day(job)?.errorCounts ?? []} label={`${count(day(job)?.count ?? 0)} invocations in 24 hours`} />
        )) },
        { name: 'Invocations', num: true, wide: true, cell: (job) => (known(job) ? count(day(job)?.count ?? 0) : '–') },
        { name: 'Errors', num: true, cell: (job) => <span className={(day(job)?.errors ?? 0) > 0 ? 'bad' : undefined}>{percent(day(job)?.errorShare)}</span> },
        { name: 'p95', num: true, cell: (job) => duration(day(job)?.p95Ms) },
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

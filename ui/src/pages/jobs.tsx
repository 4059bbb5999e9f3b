import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { ListedJob, TriggerKind } from '../api/models';
import { detailedJobsQuery, figuresQuery } from '../api/queries';
import { Card, Empty, JobBadge, Kind, PageHead, Time } from '../components/basics';
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
  const jobs = useQuery(detailedJobsQuery);
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

function JobTable({ jobs }: { jobs: readonly ListedJob[] }) {
  const navigate = useNavigate();
  const rights = useRights();
  const figures = useQuery({ ...figuresQuery, enabled: rights.some('read', 'job', '*', 'metrics') });
  /** What is said of a job's day; nothing of one that may not be asked for. A job that is not in the answer had none. */
  const day = (job: ListedJob) => figures.data?.get(job.id);
  const known = (job: ListedJob) => figures.data !== undefined && rights.ofJob(job, 'read', 'metrics');
  return (
    <Table label="Jobs" items={jobs} id={(job) => job.id} onOpen={(job) => void navigate({ to: '/jobs/$job', params: { job: job.name } })}
      columns={[
        { name: 'Job', cell: (job) => (
          <><Link to="/jobs/$job" params={{ job: job.name }}><strong>{job.name}</strong></Link>{job.description ? <span className="desc clip">{job.description}</span> : null}</>
        ) },
        { name: 'Status', narrow: true, cell: (job) => <JobBadge job={job} /> },
        { name: 'Version', narrow: true, wide: true, cell: (job) => job.version ?? <span className="muted">none active</span> },
        { name: 'Started by', narrow: true, cell: (job) => <TriggerIcons triggers={job.triggers ?? []} /> },
        { name: '24 h', narrow: true, wide: true, cell: (job) => (!known(job) ? <span className="muted">–</span> : (
          <Spark counts={day(job)?.counts ?? []} errors={day(job)?.errorCounts ?? []} label={`${count(day(job)?.count ?? 0)} invocations in 24 hours`} />
        )) },
        { name: 'Invocations', num: true, wide: true, cell: (job) => (known(job) ? count(day(job)?.count ?? 0) : '–') },
        { name: 'Errors', num: true, cell: (job) => <span className={(day(job)?.errors ?? 0) > 0 ? 'bad' : undefined}>{percent(day(job)?.errorShare)}</span> },
        { name: 'p95', num: true, cell: (job) => duration(day(job)?.p95Ms) },
        { name: 'Runners', num: true, cell: (job) => <span title="running now / most">{job.runners ? `${job.runners.now} / ${job.runners.most === 0 ? '∞' : job.runners.most ?? '–'}` : '–'}</span> },
        { name: 'Changed', narrow: true, wide: true, cell: (job) => <Time at={job.modified} /> },
      ]} />
  );
}

const KINDS: readonly TriggerKind[] = ['http', 'mqtt', 'schedule'];

/** The kinds of a job's triggers. A kind one of which does not stand well says so. */
function TriggerIcons({ triggers }: { triggers: NonNullable<ListedJob['triggers']> }) {
  return (
    <span className="row">
      {KINDS.filter((kind) => triggers.some((trigger) => trigger.type === kind)).map((kind) => {
        const ill = triggers.find((trigger) => trigger.type === kind && trigger.status === 'unhealthy');
        return (
          <span key={kind} className={ill ? 'kind bad' : 'kind'} title={ill?.message}>
            <Kind type={kind} label={false} />{ill ? <span className="sr">, {ill.message}</span> : null}
          </span>
        );
      })}
      {triggers.length === 0 ? <span className="muted">–</span> : null}
    </span>
  );
}

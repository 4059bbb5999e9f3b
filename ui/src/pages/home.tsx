import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Suspense, lazy } from 'react';
import { allTriggersQuery, healthQuery, invocationsQuery, jobsQuery, overviewQuery, seriesQuery, storageQuery } from '../api/queries';
import type { Job, ScheduleTrigger } from '../api/models';
import { Badge, Card, Empty, PageHead, Stats, Upcoming } from '../components/basics';
import { Loaded } from '../components/failure';
import { bytes, count, duration, percent } from '../components/format';
import { InvocationTable } from '../components/invocation-table';
import { bad, sums as sumsOf } from '../components/spark';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import { Attention } from './attention';
import { FirstFunction } from './first-function';

const Chart = lazy(() => import('../components/chart'));
const DAY = { seconds: 86_400, step: 1_800 };
const NAMES: Record<string, string> = {
  server: 'Server', database: 'Postgres', catalogue: 'Catalogue', engine: 'Engine', 'log-store': 'Logs', gateway: 'Gateway', jobs: 'Jobs', brokers: 'Brokers',
};

export function Home() {
  useTitle('Home');
  const rights = useRights();
  const jobs = useQuery(jobsQuery);
  return (
    <>
      <PageHead title="Home" />
      <div className="stack">
        <Health />
        <Loaded query={jobs}>
          {(all) => (all.length === 0 ? <FirstFunction /> : (
            <>
              {rights.some('read', 'job', '*', 'metrics') ? <Day /> : null}
              <div className="grid">
                <Attention jobs={all} />
                {rights.some('read', 'job', '*', 'triggers', '*') ? <Next jobs={all} /> : null}
              </div>
              {rights.some('read', 'job', '*', 'invocations') ? <Feed jobs={all} /> : null}
            </>
          ))}
        </Loaded>
      </div>
    </>
  );
}

function Health() {
  const health = useQuery(healthQuery);
  return (
    <Card title="Health" actions={health.data ? <Badge status={health.data.status} text={health.data.status === 'ok' ? 'all is well' : health.data.status} /> : undefined}>
      <Loaded query={health}>
        {({ checks }) => (
          <ul className="row wide-gap">
            {checks.map((check) => (
              <li key={check.check}><Badge status={check.status} text={NAMES[check.check] ?? check.check} />
                {check.status === 'ok' ? <span className="sr"> ok</span> : <span className="muted"> {check.detail ?? check.reason ?? check.status}</span>}</li>
            ))}
            <Room />
          </ul>
        )}
      </Loaded>
    </Card>
  );
}

/** Less room than this, of all that there is, is soon too little. */
const LITTLE = 0.1;

/** How much room the data folder has left, for those who may know. */
function Room() {
  const rights = useRights();
  const { data } = useQuery({ ...storageQuery, enabled: rights.may('read', 'system', 'metrics', 'overview') });
  if (data?.disk == null) return null;
  const { freeBytes, totalBytes } = data.disk;
  return <li><Badge status={freeBytes < totalBytes * LITTLE ? 'degraded' : 'ok'} text="Disk" /><span className="muted"> {bytes(freeBytes)} free</span></li>;
}

function Day() {
  const rights = useRights();
  const series = useQuery(seriesQuery(null, DAY));
  const overview = useQuery({ ...overviewQuery, enabled: rights.may('read', 'system', 'metrics', 'overview') });
  return (
    <Loaded query={series}>
      {({ points, whole }) => {
        const sums = sumsOf(whole);
        const runners = Object.values(overview.data?.runners ?? {}).reduce((sum, some) => sum + some, 0);
        return (
          <>
            <Stats items={[
              { label: 'Invocations, 24 h', value: count(sums.all) },
              { label: 'Went wrong', value: <span className={sums.wrong > 0 ? 'bad' : undefined}>{count(sums.wrong)}</span>, note: percent(sums.errorShare) },
              { label: 'p50', value: duration(sums.p50) },
              { label: 'p95', value: duration(sums.p95) },
              { label: 'Cold starts', value: percent(sums.coldShare), note: count(sums.cold) },
              ...(overview.data === undefined ? [] : [
                { label: 'Running now', value: count(overview.data.running), note: `${count(overview.data.waiting)} waiting` },
                { label: 'Runners', value: count(runners) },
              ]),
            ]} />
            <Card title="24 hours by outcome">
              <Suspense fallback={<div className="chart" />}>
                <Chart label="Invocations of 24 hours by outcome" times={points.map((point) => Date.parse(point.at))} format={count} lines={[
                  { label: 'succeeded', colour: '--good', values: points.map((point) => point.succeeded), filled: true },
                  { label: 'went wrong', colour: '--bad', values: points.map(bad), filled: true },
                  { label: 'cancelled', colour: '--dim', values: points.map((point) => point.cancelled) },
                ]} />
              </Suspense>
            </Card>
          </>
        );
      }}
    </Loaded>
  );
}

function Next({ jobs }: { jobs: readonly Job[] }) {
  const triggers = useQuery(allTriggersQuery('schedule'));
  const active = new Map(jobs.filter((job) => job.status === 'enabled').map((job) => [job.jobVersionId, job]));
  const next = (triggers.data ?? [])
    .filter((trigger): trigger is ScheduleTrigger => trigger.type === 'schedule' && active.has(trigger.versionId) && trigger.next.length > 0)
    .sort((one, two) => (one.next[0] ?? '').localeCompare(two.next[0] ?? ''))
    .slice(0, 6);
  return (
    <Card title="Next schedules" flush>
      {next.length === 0 ? <Empty title="No schedule is due">Jobs with a schedule show up here.</Empty> : (
        <ul>{next.map((trigger) => {
          const job = active.get(trigger.versionId);
          return (
            <li key={trigger.id} className="line row between">
              <span className="row grow">{job === undefined ? null : <Link to="/jobs/$job/triggers" params={{ job: job.name }}>{job.name}</Link>}<span className="muted">{trigger.name} <code>{trigger.cron}</code></span></span>
              <Upcoming moments={trigger.next} />
            </li>
          );
        })}</ul>
      )}
    </Card>
  );
}

function Feed({ jobs }: { jobs: readonly Job[] }) {
  const feed = useInfiniteQuery(invocationsQuery(null, {}, true));
  const items = feed.data?.pages[0]?.data.slice(0, 12) ?? [];
  const names = new Map(jobs.map((job) => [job.id, job.name]));
  return (
    <Card title="Live" flush actions={<Link to="/invocations" className="btn small">All invocations</Link>}>
      {items.length === 0 ? <Empty title="Nothing was called yet">What is called shows up here at once.</Empty> : <InvocationTable items={items} jobName={(id) => names.get(id) ?? id.slice(-8)} />}
    </Card>
  );
}

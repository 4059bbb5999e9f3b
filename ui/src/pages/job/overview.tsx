import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { JobAction, Trigger } from '../../api/models';
import { actionsQuery, currentTriggersQuery, invocationsQuery, queueQuery, runnersQuery, seriesQuery } from '../../api/queries';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Badge, Card, Copy, Empty, Facts, Kind, Stats, Time, Upcoming } from '../../components/basics';
import { Loaded } from '../../components/failure';
import { count, duration, percent, plural } from '../../components/format';
import { Icon } from '../../components/icons';
import { Spark, bad, sums as sumsOf, total } from '../../components/spark';
import { useRights } from '../../session/session';
import { InvocationTable } from '../../components/invocation-table';
import { address, curl, useGateway } from './addresses';
import { useJob } from './context';

export function Overview() {
  const job = useJob();
  const rights = useRights();
  const series = useQuery({ ...seriesQuery(job.id, { seconds: 86_400, step: 3_600 }), enabled: rights.ofJob(job, 'read', 'metrics') });
  const queue = useQuery({ ...queueQuery(job.id), enabled: rights.ofJob(job, 'read', 'queue') });
  const points = series.data?.points ?? [];
  const sums = series.data === undefined ? undefined : sumsOf(series.data.whole);
  return (
    <div className="stack">
      <Stats items={[
        { label: 'Invocations, 24 h', value: sums ? count(sums.all) : '–', note: <Spark counts={points.map(total)} errors={points.map(bad)} label="Invocations of each hour" /> },
        { label: 'Errors', value: <span className={sums && sums.wrong > 0 ? 'bad' : undefined}>{percent(sums?.errorShare)}</span>, note: sums ? `${count(sums.wrong)} of ${count(sums.all)}` : undefined },
        { label: 'p50', value: duration(sums?.p50) },
        { label: 'p95', value: duration(sums?.p95) },
        { label: 'Cold starts', value: percent(sums?.coldShare), note: sums ? count(sums.cold) : undefined },
        { label: 'Waiting', value: queue.data ? count(queue.data.due + queue.data.claimed) : '–', note: queue.data?.dead ? <Link to="/jobs/$job/dead-letters" params={{ job: job.name }}>{plural(queue.data.dead, 'dead letter')}</Link> : 'no dead letters' },
      ]} />
      <Flow />
      {rights.ofJob(job, 'read', 'invocations') ? <Recent /> : null}
    </div>
  );
}

/** How events reach the function: triggers, the job, its runners. */
function Flow() {
  const job = useJob();
  const rights = useRights();
  const triggers = useQuery({ ...currentTriggersQuery(job.id), enabled: rights.ofJob(job, 'read', 'triggers', '*') && job.jobVersionId != null });
  const actions = useQuery({ ...actionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'actions') });
  const runners = useQuery({ ...runnersQuery(job.id), enabled: rights.ofJob(job, 'read', 'runners', '*') });
  const action = actions.data?.find((each) => each.versionId === job.jobVersionId);
  return (
    <div className="flow">
      <Card title="Triggers" flush>
        {job.jobVersionId == null ? <Empty title="Nothing starts it">No version is active: activate one.</Empty>
          : !rights.ofJob(job, 'read', 'triggers', '*') ? <Empty title="You may not see them">That takes the permission to read its triggers.</Empty> : (
            <Loaded query={triggers}>
              {(all) => (all.length === 0
                ? <Empty title="Nothing starts it">The active version has no triggers.</Empty>
                : <ul>{all.map((trigger) => <TriggerLine key={trigger.id} trigger={trigger} />)}</ul>)}
            </Loaded>
          )}
      </Card>
      <div className="arrow" aria-hidden="true">→</div>
      <Card title={job.version ? `${job.name} ${job.version}` : job.name}>
        {job.jobVersionId == null ? <p className="muted">No version is active.</p> : action === undefined ? null : <ActionFacts action={action} />}
      </Card>
      <div className="arrow" aria-hidden="true">→</div>
      <Card title="Runners" flush actions={action === undefined ? undefined : <span className="muted num">{runners.data?.length ?? 0} of {action.runnerMaxCount}</span>}>
        <Loaded query={runners}>
          {(all) => (all.length === 0
            ? <Empty title="No runner now">One starts with the next event.</Empty>
            : <ul>{all.map((runner) => (
              <li key={runner.id} className="row between line"><Badge status={runner.stage} /><code title={runner.id}>{runner.id.slice(-8)}</code><span className="muted">since <Time at={runner.created} /></span></li>
            ))}</ul>)}
        </Loaded>
      </Card>
    </div>
  );
}

function TriggerLine({ trigger }: { trigger: Trigger }) {
  const gateway = useGateway();
  if (trigger.type === 'http') {
    return (
      <li className="line row between">
        <span className="row grow"><Kind type="http" label={false} /><code>{trigger.method ?? 'ANY'} {trigger.path ?? 'any path'}</code></span>
        <span className="row tight"><Copy text={address(gateway, trigger)} label="Copy the address" /><Copy shown text={curl(gateway, trigger)} label="curl" /></span>
      </li>
    );
  }
  if (trigger.type === 'mqtt') {
    return <li className="line row"><Kind type="mqtt" label={false} /><code>{trigger.topics.join(', ')}</code><span className="muted">QoS {trigger.qos}</span></li>;
  }
  return <li className="line row"><Kind type="schedule" label={false} /><code>{trigger.cron}</code><span className="muted">{trigger.timezone}, next <Upcoming moments={trigger.next} /></span></li>;
}

function ActionFacts({ action }: { action: JobAction }) {
  return <Facts items={[
    ['Runners', `${action.runnerMinCount} to ${action.runnerMaxCount}, ${action.runnerMode}`],
    ['At once', action.runnerAsynchronous ? `${action.concurrency} in all` : 'one in each runner'],
    ['Time limit', `${action.runnerTimeout} s`],
    ['Queue', `${action.queue.length}, for ${action.queue.wait} s`],
    ['Retries', action.retries.max === 0 ? 'none' : `${action.retries.max}, from ${action.retries.backoff} s on`],
    ['Keeps', { none: 'no input and output', errors: 'input and output of failures', all: 'input and output of all' }[action.capture]],
  ]} />;
}

function Recent() {
  const job = useJob();
  const recent = useInfiniteQuery(invocationsQuery(job.id, {}, true));
  const items = recent.data?.pages[0]?.data.slice(0, 8) ?? [];
  return (
    <Card title="Last invocations" flush actions={<Link to="/jobs/$job/invocations" params={{ job: job.name }} className="btn small"><Icon name="invocations" />All</Link>}>
      {recent.data === undefined ? null : items.length === 0 ? <Empty title="Not called yet">Copy a curl line from above, or wait for the next event.</Empty> : <InvocationTable items={items} />}
    </Card>
  );
}

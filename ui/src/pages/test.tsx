import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { api, data } from '../api/client';
import type { Job, Trigger } from '../api/models';
import { currentTriggersQuery, invocationQuery, invocationsQuery, jobsQuery } from '../api/queries';
import { ActButton } from '../components/act';
import { Card, Code, Empty, Kind, PageHead } from '../components/basics';
import { Loaded } from '../components/failure';
import { quoted } from '../components/format';
import { useSetSearch } from '../components/search';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import { curl, useGateway } from './job/addresses';
import { ReplayForm } from './replay-dialog';

/** Sends events to a job: any kept one again with changes, to any version; schedules at once. */
export function Test() {
  useTitle('Test');
  const set = useSetSearch();
  const search = useSearch({ from: '/app/test' });
  const jobs = useQuery(jobsQuery);
  return (
    <>
      <PageHead title="Test" about="Send an event to any version of a job, and see what comes of it." />
      <Loaded query={jobs}>
        {(all) => {
          const job = all.find((each) => each.name === search.job) ?? all[0];
          if (job === undefined) return <Card><Empty title="There is no job to test">Publish one first.</Empty></Card>;
          return (
            <div className="stack">
              <div className="filters">
                <select aria-label="Job" value={job.name} onChange={(event) => set({ job: event.target.value, trigger: undefined })}>{all.map((each) => <option key={each.id}>{each.name}</option>)}</select>
              </div>
              {job.jobVersionId == null ? <Card><Empty title="No version is active">Activate one on the job’s page of versions.</Empty></Card> : <OfJob key={job.id} job={job} chosen={search.trigger} />}
            </div>
          );
        }}
      </Loaded>
    </>
  );
}

function OfJob({ job, chosen }: { job: Job; chosen: string | undefined }) {
  const set = useSetSearch();
  const triggers = useQuery(currentTriggersQuery(job.id));
  return (
    <Loaded query={triggers}>
      {(all) => {
        const trigger = all.find((each) => each.id === chosen) ?? all[0];
        if (trigger === undefined) return <Card><Empty title="Nothing starts this job">Its package.json has no triggers.</Empty></Card>;
        return (
          <>
            <div className="row" role="group" aria-label="Trigger">
              {all.map((each) => <button key={each.id} type="button" className="btn" aria-pressed={each.id === trigger.id} onClick={() => set({ trigger: each.id, job: job.name })}><Kind type={each.type} label={false} />{each.name ?? each.type}</button>)}
            </div>
            <Card title={<span className="row"><Kind type={trigger.type} />{trigger.name}</span>}><ByHand key={trigger.id} job={job} trigger={trigger} /></Card>
            <Kept key={`kept-${trigger.id}`} job={job} trigger={trigger} />
          </>
        );
      }}
    </Loaded>
  );
}

function ByHand({ job, trigger }: { job: Job; trigger: Trigger }) {
  const rights = useRights();
  const gateway = useGateway();
  const navigate = useNavigate();
  if (trigger.type === 'http') return <div className="stack tight"><p>A first request from a terminal:</p><Code label="Command" text={curl(gateway, trigger)} /></div>;
  if (trigger.type === 'mqtt') {
    const topic = (trigger.topics[0] ?? 'topic').replace('#', 'test').replaceAll('+', 'test');
    return <div className="stack tight"><p>A first message from a terminal, to its broker:</p><Code label="Command" text={`mosquitto_pub -t ${quoted(topic)} -m '{}'`} /></div>;
  }
  const run = async () => {
    const { invocationId } = await data(api.POST('/api/job/{job}/triggers/{trigger}/run', { params: { path: { job: job.id, trigger: trigger.id } } }));
    await navigate({ to: '/invocations/$invocation', params: { invocation: invocationId } });
  };
  return rights.ofJob(job, 'write', 'triggers', trigger.id)
    ? <ActButton className="btn primary" run={run} what="It could not be run" done="It runs now">Run it now</ActButton>
    : <p className="muted">You may not run it by hand.</p>;
}

/** The newest event of the trigger that was kept, to be changed and sent again. */
function Kept({ job, trigger }: { job: Job; trigger: Trigger }) {
  const rights = useRights();
  const list = useInfiniteQuery({ ...invocationsQuery(job.id, { triggerId: trigger.id }, false), enabled: rights.ofJob(job, 'read', 'invocations') });
  const kept = list.data?.pages[0]?.data.find((item) => item.captured);
  const opened = useQuery({ ...invocationQuery(kept?.id ?? ''), enabled: kept !== undefined });
  if (!rights.ofJob(job, 'write', 'invocations')) return null;
  return (
    <Card title="Change a kept event, and send it">
      {list.isLoading ? <div className="loading" role="status">Loading…</div> : null}
      {list.data !== undefined && kept === undefined ? (
        <Empty title="No event of this trigger was kept">
          What is kept can be sent again. <code>&quot;action&quot;: {'{'} &quot;capture&quot;: &quot;all&quot; {'}'}</code> in its package.json keeps every event; failures are kept unless it says otherwise.
        </Empty>
      ) : null}
      {opened.data === undefined || kept === undefined ? null : (
        <div className="stack">
          <p>Made from <Link to="/invocations/$invocation" params={{ invocation: kept.id }}>{kept.subject}</Link>. Send it as it is, or change it first.</p>
          <ReplayForm key={kept.id} invocation={opened.data} job={job} onDone={() => undefined} />
        </div>
      )}
    </Card>
  );
}

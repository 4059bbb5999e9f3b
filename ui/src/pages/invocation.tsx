import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data, whole } from '../api/client';
import type { HttpTrigger, OpenedInvocation, Trigger } from '../api/models';
import { allTriggersQuery, invocationQuery, jobsQuery } from '../api/queries';
import { ActButton } from '../components/act';
import { Badge, Card, Code, Copy, Empty, Facts, Kind, PageHead, Time } from '../components/basics';
import { Loaded } from '../components/failure';
import { bytes, duration, fullTime, pretty } from '../components/format';
import { InvocationTable } from '../components/invocation-table';
import { LogLines } from '../components/log-lines';
import { Timeline } from '../components/timeline';
import { useTitle } from '../components/title';
import { live } from '../live/topics';
import { useRights } from '../session/session';
import { curlOf } from './curl';
import { useGateway } from './job/addresses';
import { ReplayDialog } from './replay-dialog';

export function InvocationPage() {
  const { invocation: id } = useParams({ from: '/app/invocations/$invocation' });
  useTitle('Invocation');
  const query = useQuery(invocationQuery(id));
  return <Loaded query={query}>{(invocation) => <Opened invocation={invocation} />}</Loaded>;
}

function Opened({ invocation }: { invocation: OpenedInvocation }) {
  const navigate = useNavigate();
  const rights = useRights();
  const gateway = useGateway();
  const [editing, setEditing] = useState(false);
  const jobs = useQuery(jobsQuery);
  const triggers = useQuery(allTriggersQuery());
  const job = jobs.data?.find((each) => each.id === invocation.jobId);
  const trigger = triggers.data?.find((each) => each.id === invocation.triggerId);
  const mayReplay = job !== undefined && invocation.captured && rights.ofJob(job, 'write', 'invocations');
  const replay = async () => {
    const made = await data(api.POST('/api/invocations/{invocation}/replay', { params: { path: { invocation: invocation.id } } }));
    await navigate({ to: '/invocations/$invocation', params: { invocation: made.invocationId } });
  };
  const curl = curlOf(invocation, trigger as HttpTrigger | undefined, gateway);
  return (
    <>
      <PageHead title={<span className="row"><Kind type={invocation.type as Trigger['type']} label={false} />{invocation.subject}</span>}
        about={<span className="row"><Badge status={invocation.status} />{job === undefined ? null : <Link to="/jobs/$job" params={{ job: job.name }}>{job.name}</Link>}<span><Time at={invocation.queued} /></span></span>}
        actions={<>
          {curl === null ? null : <Copy shown text={curl} label="Copy as curl" />}
          {mayReplay ? <>
            <button type="button" className="btn" onClick={() => setEditing(true)}>Edit and replay…</button>
            <ActButton run={replay} what="It could not be done again" done="It is done again" className="btn primary">Replay</ActButton>
          </> : null}
        </>} />
      <div className="stack">
        {invocation.error == null ? null : (
          <div className="note fail"><strong>{invocation.error.name ?? invocation.error.code}</strong><p className="wrap">{invocation.error.message}</p><p className="muted">Code <code>{invocation.error.code}</code></p></div>
        )}
        <div className="grid">
          <Card title="Where its time went"><Timeline invocation={invocation} /></Card>
          <Card title="Facts"><FactList invocation={invocation} trigger={trigger} /></Card>
        </div>
        <Payload invocation={invocation} />
        {job !== undefined && rights.ofJob(job, 'read', 'logs') ? <Logs job={job.id} id={invocation.id} name={job.name} /> : null}
        {invocation.attempts.length < 2 ? null : <Card title={`${invocation.attempts.length} attempts`} flush><InvocationTable items={invocation.attempts} /></Card>}
      </div>
      {editing && job !== undefined ? <ReplayDialog invocation={invocation} job={job} onClose={() => setEditing(false)} /> : null}
    </>
  );
}

function FactList({ invocation, trigger }: { invocation: OpenedInvocation; trigger: Trigger | undefined }) {
  return <Facts items={[
    ['Invocation', <span className="row tight" key="id"><code>{invocation.id}</code><Copy text={invocation.id} label="Copy the id" /></span>],
    ['Trigger', invocation.triggerName ?? trigger?.name ?? '–'],
    ['Attempt', invocation.attempt],
    ['Came', fullTime(Date.parse(invocation.queued))],
    ['Took', duration(invocation.durationMs)],
    invocation.httpStatus == null ? null : ['HTTP status', invocation.httpStatus],
    ['Input', bytes(invocation.inputBytes)],
    ['Output', bytes(invocation.outputBytes)],
    ['Memory at most', bytes(invocation.peakMemoryBytes)],
    ['Runner', invocation.runnerId == null ? '–' : <code>{invocation.runnerId}</code>],
    invocation.test ? ['Test', 'A person has sent its event'] : null,
    invocation.replayOf == null ? null : ['Repetition of', <Link key="of" to="/invocations/$invocation" params={{ invocation: invocation.replayOf }}><code>{invocation.replayOf}</code></Link>],
  ]} />;
}

function Payload({ invocation }: { invocation: OpenedInvocation }) {
  const { payload } = invocation;
  if (payload == null) {
    return <Card title="Input and output"><p className="muted">They were not kept. <code>action.capture</code> of the package says of which invocations they are: <code>errors</code> unless it says <code>all</code> or <code>none</code>.</p></Card>;
  }
  const body = (of: typeof payload.inputBody) => (of.text ?? (of.base64 === '' ? '' : `base64:${of.base64}`));
  return (
    <div className="grid">
      <Card title="Input">
        <div className="stack tight">
          <Code label="Input" text={pretty(payload.input)} />
          {body(payload.inputBody) === '' ? null : <Code label="Body" text={pretty(body(payload.inputBody))} />}
          {payload.inputBody.truncated ? <p className="muted">The first 16 KiB were kept.</p> : null}
        </div>
      </Card>
      <Card title="Output">
        <div className="stack tight">
          {payload.output == null ? null : <Code label="Output" text={pretty(payload.output)} />}
          {body(payload.outputBody) === '' ? <p className="muted">No body.</p> : <Code label="Body of the answer" text={pretty(body(payload.outputBody))} />}
          {payload.outputBody.truncated ? <p className="muted">The first 16 KiB were kept.</p> : null}
        </div>
      </Card>
    </div>
  );
}

function Logs({ job, id, name }: { job: string; id: string; name: string }) {
  const logs = useQuery({
    queryKey: ['invocation', id, 'logs'],
    meta: live(['logs'], job),
    queryFn: async () => (await whole(api.GET('/api/job/{job}/logs', { params: { path: { job }, query: { invocation: id, limit: 1000 } } }))).data,
  });
  return (
    <Card title="Log" flush actions={<Link className="btn small" to="/jobs/$job/logs" params={{ job: name }} search={{ invocation: id }}>Open in the log</Link>}>
      <Loaded query={logs}>{(lines) => (lines.length === 0 ? <Empty title="It logged nothing" /> : <LogLines lines={lines} short />)}</Loaded>
    </Card>
  );
}

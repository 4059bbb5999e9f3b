import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { HttpTrigger, MqttTrigger, ScheduleTrigger } from '../../api/models';
import { currentTriggersQuery, firesQuery, triggerStatusQuery } from '../../api/queries';
import { ActButton } from '../../components/act';
import { Badge, Card, Copy, Empty, Facts, Kind, Time } from '../../components/basics';
import { Loaded } from '../../components/failure';
import { count, fullTime } from '../../components/format';
import { Table } from '../../components/table';
import { useRights } from '../../session/session';
import { address, curl, useGateway } from './addresses';
import { useJob } from './context';
import { PublishMessage } from './publish-message';
import { matchRoutes } from './routes';
import { UnreadableVersions } from './unreadable';

export function Triggers() {
  const job = useJob();
  const triggers = useQuery({ ...currentTriggersQuery(job.id), enabled: job.jobVersionId != null });
  if (job.jobVersionId == null) return <Card><Empty title="No version is active">Activate one on the page of versions; its triggers are shown here then.</Empty></Card>;
  return (
    <Loaded query={triggers}>
      {(all) => {
        const http = all.filter((trigger): trigger is HttpTrigger => trigger.type === 'http');
        return (
          <div className="stack">
            <UnreadableVersions only={job.jobVersionId} />
            {all.length === 0 ? <Card><Empty title="Nothing starts it">The active version has no trigger that can be served.</Empty></Card> : null}
            {http.length === 0 ? null : <Routes triggers={http} />}
            {all.map((trigger) => (trigger.type === 'mqtt' ? <Mqtt key={trigger.id} trigger={trigger} /> : trigger.type === 'schedule' ? <Schedule key={trigger.id} trigger={trigger} /> : null))}
          </div>
        );
      }}
    </Loaded>
  );
}

function Routes({ triggers }: { triggers: readonly HttpTrigger[] }) {
  const gateway = useGateway();
  const [method, setMethod] = useState('GET');
  const [path, setPath] = useState('');
  const [host, setHost] = useState('');
  const hosts = triggers.flatMap((trigger) => (trigger.hostname ? [trigger.hostname] : []));
  const hit = path === '' ? null : matchRoutes(triggers, { method, path, host: host === '' ? null : host });
  return (
    <Card title={<Kind type="http" />} flush>
      <Table label="Routes" items={triggers} id={(trigger) => trigger.id} columns={[
        { name: 'Route', cell: (trigger) => <code>{trigger.method ?? 'ANY'} {trigger.path ?? 'any path'}</code> },
        { name: 'Name', wide: true, cell: (trigger) => trigger.name ?? <span className="muted">–</span> },
        { name: 'Host', wide: true, cell: (trigger) => trigger.hostname ?? <span className="muted">any</span> },
        { name: 'Actions', silent: true, narrow: true, cell: (trigger) => <span className="row tight"><Copy text={address(gateway, trigger)} label="Copy the address" /><Copy shown text={curl(gateway, trigger)} label="curl" /></span> },
      ]} />
      <div className="line stack tight">
        <strong>Which route would take a request?</strong>
        <div className="filters">
          <select aria-label="Method" value={method} onChange={(event) => setMethod(event.target.value)}>{['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'].map((each) => <option key={each}>{each}</option>)}</select>
          {hosts.length === 0 ? null : (
            <select aria-label="Host" value={host} onChange={(event) => setHost(event.target.value)}>
              <option value="">any other host</option>{[...new Set(hosts)].map((each) => <option key={each}>{each}</option>)}
            </select>
          )}
          <input className="text" aria-label="Path" placeholder="/a/path" value={path} onChange={(event) => setPath(event.target.value)} />
        </div>
        <p role="status">
          {hit === null ? <span className="muted">Type a path.</span>
            : hit.kind === 'none' ? <span className="bad">No route of this job: the answer would be 404, unless another job has one.</span>
              : hit.kind === 'method' ? <span className="bad">The path has a route, but not for {method}: 405. Allowed: {hit.allowed.join(', ')}.</span>
                : <>Route <code>{hit.trigger.method ?? 'ANY'} {hit.trigger.path ?? 'any path'}</code>{Object.entries(hit.params).map(([name, value]) => <span key={name} className="tag">{name} = {value}</span>)}</>}
        </p>
      </div>
    </Card>
  );
}

function Mqtt({ trigger }: { trigger: MqttTrigger }) {
  const job = useJob();
  const rights = useRights();
  const status = useQuery(triggerStatusQuery(job.id, trigger.id));
  return (
    <Card title={<span className="row"><Kind type="mqtt" />{trigger.name}</span>} actions={status.data ? <Badge status={status.data.status} /> : undefined}>
      <div className="stack">
        <Facts items={[['Topics', <code key="t">{trigger.topics.join(', ')}</code>], ['Quality of service', trigger.qos], ['Status', status.data?.message ?? '–'], ['Since', <Time key="s" at={status.data?.since} />]]} />
        {status.data?.details?.connections?.map((connection) => (
          <div key={connection.clientId} className="note stack tight">
            <div className="row between"><code>{connection.broker}</code><Badge status={connection.state === 'connected' ? 'healthy' : 'unhealthy'} text={connection.state} /></div>
            <div className="row">{Object.entries(connection.messages).map(([name, value]) => <span key={name} className="tag">{name} {count(value)}</span>)}<span className="tag">open {connection.open}</span><span className="tag">waiting {connection.waiting}</span></div>
            <p className="muted">Client <code>{connection.clientId}</code></p>
          </div>
        ))}
        {rights.ofJob(job, 'write', 'triggers', trigger.id) ? <PublishMessage job={job} trigger={trigger} /> : null}
        <div><Link className="btn small" to="/jobs/$job/invocations" params={{ job: job.name }} search={{ triggerId: trigger.id }}>Last messages</Link></div>
      </div>
    </Card>
  );
}

function Schedule({ trigger }: { trigger: ScheduleTrigger }) {
  const job = useJob();
  const rights = useRights();
  const fires = useQuery(firesQuery(job.id, trigger.id));
  const run = () => data(api.POST('/api/job/{job}/triggers/{trigger}/run', { params: { path: { job: job.id, trigger: trigger.id } } }));
  return (
    <Card title={<span className="row"><Kind type="schedule" />{trigger.name}<code>{trigger.cron}</code></span>}
      actions={rights.ofJob(job, 'write', 'triggers', trigger.id) ? <ActButton className="btn small" run={run} what="It could not be run" done="It runs now">Run now</ActButton> : undefined}>
      <div className="grid">
        <div className="stack tight">
          <Facts items={[['Time zone', trigger.timezone], ['Overlap', trigger.overlap], ['Catch up', trigger.catchUp]]} />
          <h3>Next five</h3>
          {trigger.next.length === 0 ? <p className="muted">Never again.</p> : <ol>{trigger.next.map((at) => <li key={at} className="row"><Time at={at} /><span className="muted">{fullTime(Date.parse(at))}</span></li>)}</ol>}
        </div>
        <div className="stack tight">
          <h3>Last instants</h3>
          <Loaded query={fires}>
            {(all) => (all.length === 0 ? <p className="muted">None yet.</p> : <ul>{all.map((fire) => (
              <li key={`${fire.at}${fire.recorded}`} className="row"><Badge status={fire.state} text={fire.reason ? `${fire.state}: ${fire.reason}` : fire.state} /><Time at={fire.at} />
                {fire.instants > 1 ? <span className="muted">{fire.instants} in a row</span> : null}{fire.manual ? <span className="tag">by hand</span> : null}
                {fire.invocationId == null ? null : <Link to="/invocations/$invocation" params={{ invocation: fire.invocationId }}>what came of it</Link>}</li>
            ))}</ul>)}
          </Loaded>
        </div>
      </div>
    </Card>
  );
}

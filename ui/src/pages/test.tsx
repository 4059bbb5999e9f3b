import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api, whole } from '../api/client';
import type { Job, Trigger } from '../api/models';
import { invocationQuery, invocationsQuery, jobsQuery, readable, versionsQuery } from '../api/queries';
import { Card, Empty, Kind, PageHead } from '../components/basics';
import { Loaded } from '../components/failure';
import { useSetSearch } from '../components/search';
import { useTitle } from '../components/title';
import { live } from '../live/topics';
import { useRights } from '../session/session';
import { ReplayForm } from './replay-dialog';
import { TestForm } from './test-form';

/** Sends an event that is made up to any version of a job, or a kept one again with changes. */
export function Test() {
  useTitle('Test');
  const set = useSetSearch();
  const search = useSearch({ from: '/app/test' });
  const jobs = useQuery(jobsQuery);
  return (
    <>
      <PageHead title="Test" about="Send an event to any version of a job, and see what it answers. No broker and no caller is concerned." />
      <Loaded query={jobs}>
        {(all) => {
          const job = all.find((each) => each.name === search.job) ?? all[0];
          if (job === undefined) return <Card><Empty title="There is no job to test">Publish one first.</Empty></Card>;
          const choose = (
            <label className="field"><span>Job</span><select value={job.name} onChange={(event) => set({ job: event.target.value, trigger: undefined, version: undefined })}>{all.map((each) => <option key={each.id}>{each.name}</option>)}</select></label>
          );
          return <OfJob key={job.id} job={job} choose={choose} />;
        }}
      </Loaded>
    </>
  );
}

function OfJob({ job, choose }: { job: Job; choose: React.ReactNode }) {
  const set = useSetSearch();
  const search = useSearch({ from: '/app/test' });
  const versions = useQuery(versionsQuery(job.id));
  return (
    <Loaded query={versions}>
      {(all) => {
        const version = all.find((each) => each.id === search.version) ?? all.find((each) => each.active) ?? all[0];
        if (version === undefined) return <div className="stack"><div className="filters">{choose}</div><Card><Empty title="The job has no version">Publish one first.</Empty></Card></div>;
        return (
          <div className="stack">
            <div className="filters">
              {choose}
              <label className="field"><span>Version</span>
                <select value={version.id} onChange={(event) => set({ job: job.name, version: event.target.value })}>
                  {all.map((each) => <option key={each.id} value={each.id}>{each.version}{each.active ? ' (serves)' : ''}</option>)}
                </select>
              </label>
            </div>
            <OfVersion key={version.id} job={job} versionId={version.id} chosen={search.trigger} />
          </div>
        );
      }}
    </Loaded>
  );
}

function OfVersion({ job, versionId, chosen }: { job: Job; versionId: string; chosen: string | undefined }) {
  const set = useSetSearch();
  const rights = useRights();
  const triggers = useQuery({
    queryKey: ['job', job.id, 'triggers', 'all'],
    queryFn: async () => (await whole(api.GET('/api/job/{job}/triggers', { params: { path: { job: job.id }, query: { limit: 1000 } } }))).data,
    select: readable<Trigger>,
    meta: live(['versions'], job.id),
  });
  return (
    <Loaded query={triggers}>
      {(all) => {
        const own = all.filter((each) => each.versionId === versionId);
        const trigger = own.find((each) => each.id === chosen) ?? own[0];
        if (trigger === undefined) return <Card><Empty title="Nothing starts this version">Its package.json has no triggers.</Empty></Card>;
        return (
          <>
            <div className="row" role="group" aria-label="Trigger">
              {own.map((each) => <button key={each.id} type="button" className="btn" aria-pressed={each.id === trigger.id} onClick={() => set({ trigger: each.id, job: job.name })}><Kind type={each.type} label={false} />{each.name ?? each.type}</button>)}
            </div>
            {rights.ofJob(job, 'write', 'invocations') ? (
              <>
                <Card title={<span className="row"><Kind type={trigger.type} />{trigger.name}</span>}><TestForm key={trigger.id} job={job} versionId={versionId} trigger={trigger} named={trigger.id === chosen} /></Card>
                <Kept key={`kept-${trigger.id}`} job={job} trigger={trigger} />
              </>
            ) : <Card><Empty title="You may not send events to this job">That takes the permission to write its invocations.</Empty></Card>}
          </>
        );
      }}
    </Loaded>
  );
}

/** The newest event of the trigger that was kept, to be changed and sent again. */
function Kept({ job, trigger }: { job: Job; trigger: Trigger }) {
  const rights = useRights();
  const [isOpen, setIsOpen] = useState(false);
  const list = useInfiniteQuery({ ...invocationsQuery(job.id, { triggerId: trigger.id }, false), enabled: rights.ofJob(job, 'read', 'invocations') });
  const kept = list.data?.pages[0]?.data.find((item) => item.captured);
  const opened = useQuery({ ...invocationQuery(kept?.id ?? ''), enabled: kept !== undefined });
  if (opened.data === undefined || kept === undefined) return null;
  return (
    <details className="card" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary className="body">Or change the last event that was kept, and send it again</summary>
      {isOpen ? (
        <div className="body stack">
          <p>Made from <Link to="/invocations/$invocation" params={{ invocation: kept.id }}>{kept.subject}</Link>.</p>
          <ReplayForm key={kept.id} invocation={opened.data} job={job} onDone={() => undefined} />
        </div>
      ) : null}
    </details>
  );
}

import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Suspense, lazy, useState } from 'react';
import { BAD_OUTCOMES, type InvocationPoints, type Job, OUTCOMES } from '../api/models';
import { type InvocationFilter, currentTriggersQuery, invocationsQuery, jobsQuery, pointsQuery, versionsQuery } from '../api/queries';
import { useRights } from '../session/session';
import { Card, Empty } from './basics';
import { BulkReplay } from './bulk-replay';
import { Failure } from './failure';
import { clockTime, count, fullTime, plural } from './format';
import { InvocationTable } from './invocation-table';
import { type Search, useSetSearch } from './search';
import { TextFilter } from './text-filter';

const Scatter = lazy(() => import('./scatter'));

/** A filter as the API takes it, out of the address. */
function filterOf(search: Search): InvocationFilter {
  const { longerThan, shorterThan, ...texts } = search;
  const number = (text: string | undefined) => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  return {
    ...texts,
    ...(number(longerThan) === undefined ? {} : { longerThan: number(longerThan) }),
    ...(number(shorterThan) === undefined ? {} : { shorterThan: number(shorterThan) }),
  } as InvocationFilter;
}

/** Invocations with their chart and filters, of one job or of all. The filters are in the address. */
export function InvocationBrowser({ job, search }: { job: Job | null; search: Search }) {
  const set = useSetSearch();
  const rights = useRights();
  const [live, setLive] = useState(true);
  const [replaying, setReplaying] = useState(false);
  const filter = filterOf(search);
  const query = useInfiniteQuery(invocationsQuery(job?.id ?? null, filter, live && search.to === undefined));
  const jobs = useQuery({ ...jobsQuery, enabled: job === null });
  const points = useQuery(pointsQuery(job?.id ?? null, filter, live && search.to === undefined));
  const items = query.data?.pages.flatMap((page) => page.data) ?? [];
  const mayReplay = job === null ? rights.some('write', 'job', '*', 'invocations') : rights.ofJob(job, 'write', 'invocations');
  const filtered = Object.keys(search).some((key) => key !== 'sort');
  const names = new Map(jobs.data?.map((each) => [each.id, each.name]));
  return (
    <div className="stack">
      <div>
        <div className="filters" role="search" aria-label="Filters">
          <TextFilter label="Path, topic, error or trigger" value={search.text ?? ''} onChange={(text) => set({ text })} />
          <select aria-label="Outcome" value={search.status ?? ''} onChange={(event) => set({ status: event.target.value })}>
            <option value="">Every outcome</option>
            <option value={BAD_OUTCOMES.join(',')}>What went wrong</option>
            {OUTCOMES.map((outcome) => <option key={outcome} value={outcome}>{outcome.replace('-', ' ')}</option>)}
          </select>
          <select aria-label="Started by" value={search.type ?? ''} onChange={(event) => set({ type: event.target.value })}>
            <option value="">Every kind</option><option value="http">HTTP</option><option value="mqtt">MQTT</option><option value="schedule">Schedule</option>
          </select>
          {job === null ? (
            <select aria-label="Job" value={search.jobId ?? ''} onChange={(event) => set({ jobId: event.target.value })}>
              <option value="">Every job</option>
              {jobs.data?.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            </select>
          ) : <OfJob job={job} search={search} />}
          <select aria-label="Took" value={search.longerThan ?? ''} onChange={(event) => set({ longerThan: event.target.value })}>
            <option value="">However long</option>
            {['10', '100', '1000', '10000'].map((ms) => <option key={ms} value={ms}>longer than {Number(ms) >= 1000 ? `${Number(ms) / 1000} s` : `${ms} ms`}</option>)}
            {search.longerThan !== undefined && !['10', '100', '1000', '10000'].includes(search.longerThan) ? <option value={search.longerThan}>longer than {search.longerThan} ms</option> : null}
          </select>
          <button type="button" className="btn" aria-pressed={live} onClick={() => setLive(!live)}>Live</button>
          {filtered ? <button type="button" className="btn" onClick={() => set(Object.fromEntries(Object.keys(search).map((key) => [key, undefined])))}>Clear filters</button> : null}
          {mayReplay && items.some((item) => item.captured) ? <button type="button" className="btn" onClick={() => setReplaying(true)}>Replay these…</button> : null}
        </div>
        {search.from === undefined && search.to === undefined && search.shorterThan === undefined ? null : (
          <p className="row muted" role="status">
            Zoomed in: {search.from === undefined ? '' : `from ${fullTime(Date.parse(search.from))}`} {search.to === undefined ? '' : `to ${clockTime(Date.parse(search.to))}`}
            {search.shorterThan === undefined ? '' : `, shorter than ${search.shorterThan} ms`}
            <button type="button" className="btn small" onClick={() => set({ from: undefined, to: undefined, longerThan: undefined, shorterThan: undefined })}>Zoom out</button>
          </p>
        )}
      </div>
      {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : null}
      {points.isError ? <Failure error={points.error} retry={() => void points.refetch()} /> : null}
      {points.data === undefined || points.data.at.length === 0 ? null : (
        <Card title="When, and how long it took">
          <Suspense fallback={<div className="chart loading" role="status">Loading…</div>}>
            <Scatter points={points.data} onZoom={(zoom) => set({
              from: new Date(zoom.from).toISOString(), to: new Date(zoom.to).toISOString(),
              ...(zoom.longerThan === undefined ? {} : { longerThan: String(zoom.longerThan) }),
              ...(zoom.shorterThan === undefined ? {} : { shorterThan: String(zoom.shorterThan) }),
            })} />
          </Suspense>
          <p className="muted" data-chart="points">Drag over the chart to zoom. {shown(points.data)}</p>
        </Card>
      )}
      <Card flush>
        {query.data === undefined && !query.isError ? <div className="loading" role="status">Loading…</div> : null}
        {query.data !== undefined && items.length === 0
          ? <Empty title={filtered ? 'No invocation is like this' : 'No invocation yet'}>{filtered ? 'Widen the filters.' : 'They appear here as soon as something is called.'}</Empty> : null}
        {items.length === 0 ? null : <InvocationTable items={items} {...(job === null ? { jobName: (id: string) => names.get(id) ?? id.slice(-8) } : {})} />}
      </Card>
      {query.hasNextPage ? (
        <button type="button" className="btn" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {query.isFetchingNextPage ? 'Loading…' : 'Load 100 more'}
        </button>
      ) : null}
      {replaying ? <BulkReplay job={job} filter={filter} onClose={() => setReplaying(false)} /> : null}
    </div>
  );
}

/** What the points of the chart stand for. */
function shown({ at, total, more, sampled }: InvocationPoints): string {
  if (!sampled) return `It shows all ${plural(total, 'attempt')} that ended.`;
  return `It shows a sample, ${count(at.length)} of ${more ? 'the newest ' : ''}${count(total)} attempts, with the slowest and with failures of every part of the time.`;
}

/** Filters that make sense within one job. */
function OfJob({ job, search }: { job: Job; search: Search }) {
  const set = useSetSearch();
  const rights = useRights();
  const versions = useQuery({ ...versionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'versions', '*') });
  const triggers = useQuery({ ...currentTriggersQuery(job.id), enabled: job.jobVersionId != null && rights.ofJob(job, 'read', 'triggers', '*') });
  return (
    <>
      <select aria-label="Version" value={search.versionId ?? ''} onChange={(event) => set({ versionId: event.target.value })}>
        <option value="">Every version</option>
        {versions.data?.map((version) => <option key={version.id} value={version.id}>{version.version}</option>)}
      </select>
      <select aria-label="Trigger" value={search.triggerId ?? ''} onChange={(event) => set({ triggerId: event.target.value })}>
        <option value="">Every trigger</option>
        {triggers.data?.map((trigger) => <option key={trigger.id} value={trigger.id}>{trigger.name ?? trigger.type}</option>)}
      </select>
    </>
  );
}

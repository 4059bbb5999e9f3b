import { useSearch } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { versionsQuery } from '../../api/queries';
import { Download } from '../../components/download';
import { Failure } from '../../components/failure';
import { LogLines } from '../../components/log-lines';
import { useSetSearch } from '../../components/search';
import { TextFilter } from '../../components/text-filter';
import { useRights } from '../../session/session';
import { useJob } from './context';
import { useLog } from './use-log';
import { useLayoutEffect, useRef, useState } from 'react';

const NEAR_END = 40;

export function Logs() {
  const job = useJob();
  const search = useSearch({ from: '/app/jobs/$job/logs' });
  const set = useSetSearch();
  const rights = useRights();
  const versions = useQuery({ ...versionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'versions', '*') });
  const [live, setLive] = useState(true);
  const log = useLog(job.id, search, live);
  const place = useRef<HTMLDivElement>(null);
  // Whoever reads further up is not carried off by new lines.
  const atEnd = useRef(true);
  const heightBefore = useRef<number | null>(null);
  useLayoutEffect(() => {
    const box = place.current;
    if (box === null) return;
    if (heightBefore.current !== null) {
      box.scrollTop += box.scrollHeight - heightBefore.current;
      heightBefore.current = null;
    } else if (atEnd.current) box.scrollTop = box.scrollHeight;
  }, [log.lines]);
  const older = async () => {
    heightBefore.current = place.current?.scrollHeight ?? null;
    await log.older();
  };
  const query = new URLSearchParams(search).toString();
  return (
    <div>
      <div className="filters" role="search" aria-label="Filters">
        <TextFilter label="Text in the message" value={search.text ?? ''} onChange={(text) => set({ text })} />
        <select aria-label="Level" value={search.level ?? ''} onChange={(event) => set({ level: event.target.value })}>
          <option value="">Every level</option><option value="info">info and worse</option><option value="warn">warn and worse</option><option value="error">error</option>
        </select>
        <select aria-label="Stream" value={search.stream ?? ''} onChange={(event) => set({ stream: event.target.value })}>
          <option value="">Every stream</option><option value="stdout">stdout</option><option value="stderr">stderr</option><option value="system">Jobber's own words</option>
        </select>
        <select aria-label="Version" value={search.version ?? ''} onChange={(event) => set({ version: event.target.value })}>
          <option value="">Every version</option>{versions.data?.map((version) => <option key={version.id} value={version.id}>{version.version}</option>)}
        </select>
        {search.invocation === undefined ? null : <button type="button" className="btn" onClick={() => set({ invocation: undefined })}>Invocation …{search.invocation.slice(-8)} ×</button>}
        <button type="button" className="btn" aria-pressed={live} onClick={() => setLive(!live)}>Live</button>
        <Download className="btn" href={`/api/job/${encodeURIComponent(job.id)}/logs/export${query === '' ? '' : `?${query}`}`} name={`${job.name.replace('/', '-')}.ndjson`}>Export</Download>
        <span className="muted" role="status">{live ? { connecting: 'connecting…', open: 'following', lost: 'connection lost, trying again…', off: '' }[log.state] : ''}</span>
      </div>
      {log.failure === null ? null : <Failure error={log.failure} retry={log.retry} />}
      <div className="log" ref={place} tabIndex={0} role="log" aria-label={`Log of ${job.name}`} aria-live="off"
        onScroll={(event) => {
          const box = event.currentTarget;
          atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
        }}>
        {log.more ? <div className="loading"><button type="button" className="btn small" disabled={log.busy} onClick={() => void older()}>{log.busy ? 'Loading…' : 'Older lines'}</button></div> : null}
        {log.lines.length === 0 ? <p className="loading">{log.loaded ? 'No line is like this. New ones appear here as they are written.' : 'Loading…'}</p> : <LogLines lines={log.lines} />}
      </div>
      {log.dropped ? <p className="muted">Older lines were let go to keep the page quick; export has all.</p> : null}
    </div>
  );
}

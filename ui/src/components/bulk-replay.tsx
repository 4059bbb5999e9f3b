import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, data } from '../api/client';
import type { BulkReplay as Progress, Job } from '../api/models';
import type { InvocationFilter } from '../api/queries';
import { live } from '../live/topics';
import { Dialog } from './dialog';
import { Failure } from './failure';
import { count } from './format';

/** Has the server do everything again that a filter finds, and shows how far it is. It can be stopped; it goes on when the dialog is closed. */
export function BulkReplay({ job, filter, onClose }: { job: Job | null; filter: InvocationFilter; onClose: () => void }) {
  const [id, setId] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const queries = useQueryClient();
  const progress = useQuery({
    queryKey: ['replays', id],
    meta: live(['replays']),
    queryFn: () => data(api.GET('/api/invocations/replays/{replay}', { params: { path: { replay: id ?? '' } } })),
    enabled: id !== null,
  });
  const stage = progress.data?.stage;
  useEffect(() => {
    if (stage !== undefined && stage !== 'running') void queries.invalidateQueries({ queryKey: ['invocations'] });
  }, [stage, queries]);
  const act = async (run: () => Promise<Progress>) => {
    setBusy(true);
    setError(null);
    try {
      const now = await run();
      queries.setQueryData(['replays', now.id], now);
      // It may be over already, which was told before anybody asked for it.
      void queries.invalidateQueries({ queryKey: ['replays', now.id] });
      setId(now.id);
    } catch (cause) {
      setError(cause);
    }
    setBusy(false);
  };
  const begin = () => act(() => data(api.POST('/api/invocations/replays', { params: { query: { ...filter, ...(job === null ? {} : { jobId: job.id }) } } })));
  const stop = () => act(() => data(api.DELETE('/api/invocations/replays/{replay}', { params: { path: { replay: id ?? '' } } })));
  return (
    <Dialog title="Replay all that the filter finds" onClose={onClose}>
      {id === null ? <p>Each invocation that is like the filter and whose input was kept is done again, on the version that serves, at most 10,000 of them. What they do happens again, too.</p> : null}
      {progress.data === undefined ? null : <Shown progress={progress.data} />}
      {error === null && !progress.isError ? null : <Failure error={error ?? progress.error} />}
      <footer>
        {stage === 'running' ? <button type="button" className="btn danger" disabled={busy} onClick={() => void stop()}>Stop</button> : null}
        {id === null ? <button type="button" className="btn primary" disabled={busy} onClick={() => void begin()}>Replay</button> : null}
        <button type="button" className="btn" onClick={onClose}>Close</button>
      </footer>
    </Dialog>
  );
}

const WORDS: Record<Progress['stage'], string> = {
  running: 'Being done again', finished: 'Done', cancelled: 'Stopped', interrupted: 'Interrupted: the server has stopped it',
};

function Shown({ progress }: { progress: Progress }) {
  const refused = Object.entries(progress.refused);
  const notBegun = refused.reduce((sum, [, times]) => sum + times, 0);
  const over = progress.succeeded + progress.failed + notBegun;
  return (
    <div role="status" className="stack tight">
      <p><strong>{WORDS[progress.stage]}.</strong> {count(over)} of {count(progress.found)} dealt with: {count(progress.succeeded)} succeeded, {count(progress.failed)} failed, {count(notBegun)} could not be done again.</p>
      <progress className="bar" max={Math.max(1, progress.found)} value={progress.found === 0 ? 1 : over} aria-label="Progress" />
      {refused.length === 0 ? null : <ul>{refused.map(([code, times]) => <li key={code} className="bad">{count(times)} not done again: <code>{code}</code></li>)}</ul>}
      {progress.more ? <p>The filter finds more than 10,000. Narrow it for the others.</p> : null}
      {progress.stage === 'running' ? <p className="muted">The server goes on when this is closed, and ends it when it stops.</p> : null}
    </div>
  );
}

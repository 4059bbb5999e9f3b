import { useState } from 'react';
import { api, data, whole } from '../api/client';
import { ApiFailure } from '../api/failure';
import type { Job } from '../api/models';
import type { InvocationFilter } from '../api/queries';
import { Dialog } from './dialog';
import { Failure } from './failure';

const MOST = 1_000;

interface Progress {
  done: number;
  all: number;
  refused: Map<string, number>;
}

/** Does everything again that a filter finds, one after the other, and counts what came of it. It can be stopped. */
export function BulkReplay({ job, filter, onClose }: { job: Job | null; filter: InvocationFilter; onClose: () => void }) {
  const [stop] = useState(() => new AbortController());
  const [progress, setProgress] = useState<Progress | null>(null);
  const [state, setState] = useState<'asking' | 'running' | 'over'>('asking');
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setState('running');
    setError(null);
    try {
      const ids = await captured(job, filter, stop.signal);
      const now: Progress = { done: 0, all: ids.length, refused: new Map() };
      for (const id of ids) {
        if (stop.signal.aborted) break;
        try {
          await data(api.POST('/api/invocations/{invocation}/replay', { params: { path: { invocation: id } } }));
        } catch (cause) {
          const { code } = ApiFailure.from(cause);
          now.refused.set(code, (now.refused.get(code) ?? 0) + 1);
        }
        now.done += 1;
        setProgress({ ...now });
      }
      setProgress({ ...now });
    } catch (cause) {
      setError(cause);
    }
    setState('over');
  };
  const close = () => {
    stop.abort();
    onClose();
  };
  return (
    <Dialog title="Replay all that the filter finds" onClose={close}>
      {state === 'asking' ? <p>Each invocation that is like the filter and whose input was kept is done again, on the version that serves, at most {MOST.toLocaleString('en')} of them. What they do happens again, too.</p> : null}
      {state === 'running' && progress === null ? <p role="status">Looking for them…</p> : null}
      {progress === null ? null : (
        <div role="status">
          <p>{progress.done} of {progress.all} done again{state === 'over' ? '.' : '…'}</p>
          <progress className="bar" max={Math.max(1, progress.all)} value={progress.done} aria-label="Progress" />
          {progress.refused.size === 0 ? null : (
            <ul>{[...progress.refused].map(([code, times]) => <li key={code} className="bad">{times} refused: <code>{code}</code></li>)}</ul>
          )}
        </div>
      )}
      {error === null ? null : <Failure error={error} />}
      <footer>
        {state === 'running' ? <button type="button" className="btn danger" onClick={() => stop.abort()}>Stop</button> : null}
        {state === 'asking' ? <button type="button" className="btn primary" onClick={() => void run()}>Replay</button> : null}
        <button type="button" className="btn" onClick={close}>Close</button>
      </footer>
    </Dialog>
  );
}

async function captured(job: Job | null, filter: InvocationFilter, stop: AbortSignal): Promise<string[]> {
  const ids = new Set<string>();
  let cursor: string | null = null;
  do {
    const query = { ...filter, limit: 100, ...(cursor === null ? {} : { cursor }) };
    const page: { data: { id: string; captured: boolean; replayOf?: string | null }[]; next?: string | null } = await whole(
      job === null
        ? api.GET('/api/invocations', { params: { query } })
        : api.GET('/api/job/{job}/invocations', { params: { path: { job: job.id }, query } }),
    );
    for (const item of page.data) if (item.captured && ids.size < MOST) ids.add(item.id);
    cursor = page.next ?? null;
  } while (cursor !== null && ids.size < MOST && !stop.aborted);
  return [...ids];
}

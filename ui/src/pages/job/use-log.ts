import { useCallback, useEffect, useRef, useState } from 'react';
import { api, whole } from '../../api/client';
import { type FollowState, follow } from '../../api/events';
import { ApiFailure } from '../../api/failure';
import type { LogLine } from '../../api/models';
import type { LogFilter } from '../../api/queries';
import type { Search } from '../../components/search';

const PAGE = 200;
/** What is looked through first when a text is looked for, in milliseconds. */
const RECENT = 15 * 60_000;
/** More lines than this are not kept while following. */
const KEPT = 5_000;

interface Log {
  lines: readonly LogLine[];
  /** There are older lines. */
  more: boolean;
  loaded: boolean;
  /** Lines were let go at the older end. */
  dropped: boolean;
}

const NOTHING: Log = { lines: [], more: false, loaded: false, dropped: false };

/** Lines of a job that are like the filter: a page of them, older ones on demand, and new ones as they are written. */
export function useLog(job: string, search: Search, live: boolean) {
  const key = JSON.stringify([job, search]);
  const [log, setLog] = useState<Log>(NOTHING);
  const [state, setState] = useState<FollowState | 'off'>('off');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [busy, setBusy] = useState(false);
  const [round, setRound] = useState(0);
  const filter = useRef<LogFilter>(search);
  filter.current = search;

  useEffect(() => {
    const stop = new AbortController();
    setFailure(null);
    const query = { ...filter.current, limit: PAGE };
    void (async () => {
      try {
        const ask = async (since: { from?: string }) =>
          (await whole(api.GET('/api/job/{job}/logs', { params: { path: { job }, query: { ...query, ...since } }, signal: stop.signal }))).data;
        let lines: LogLine[] = [];
        if (filter.current.text !== undefined && filter.current.from === undefined) {
          // A rare text is looked for in all lines; what was found among the last ones is shown before.
          lines = await ask({ from: new Date(Date.now() - RECENT).toISOString() });
          setLog({ lines, more: false, loaded: lines.length > 0, dropped: false });
        }
        if (lines.length < PAGE) lines = await ask({});
        if (stop.signal.aborted) return;
        setLog({ lines, more: lines.length === PAGE, loaded: true, dropped: false });
        if (!live || filter.current.to !== undefined) return;
        await tail(job, filter.current, lines.at(-1)?.cursor, setLog, setState, setFailure, stop.signal);
      } catch (cause) {
        if (!stop.signal.aborted) setFailure(ApiFailure.from(cause));
      }
    })();
    return () => { stop.abort(); setState('off'); };
  }, [key, job, live, round]);

  const older = useCallback(async () => {
    const before = log.lines[0]?.cursor;
    if (before === undefined) return;
    setBusy(true);
    try {
      const query = { ...filter.current, limit: PAGE, before };
      const page = await whole(api.GET('/api/job/{job}/logs', { params: { path: { job }, query } }));
      setLog((now) => ({ ...now, lines: [...page.data, ...now.lines], more: page.data.length === PAGE }));
    } catch (cause) {
      setFailure(ApiFailure.from(cause));
    } finally {
      setBusy(false);
    }
  }, [job, log.lines]);

  return { ...log, state, failure, busy, older, retry: () => setRound(round + 1) };
}

/** Follows the log. Lines of many events are shown at once, so that a talkative function costs one drawing a frame. */
async function tail(
  job: string, filter: LogFilter, after: string | undefined,
  setLog: (change: (now: Log) => Log) => void, setState: (state: FollowState) => void, setFailure: (failure: ApiFailure) => void,
  signal: AbortSignal,
): Promise<void> {
  const { from: _from, to: _to, ...kept } = filter;
  const query = new URLSearchParams(kept as Record<string, string>);
  if (after !== undefined) query.set('after', after);
  let waiting: LogLine[] = [];
  let frame = 0;
  const show = () => {
    frame = 0;
    const fresh = waiting;
    waiting = [];
    setLog((now) => {
      const known = new Set(now.lines.slice(-PAGE).map((line) => line.cursor));
      const lines = [...now.lines, ...fresh.filter((line) => !known.has(line.cursor))];
      return { ...now, lines: lines.slice(-KEPT), more: now.more || lines.length > KEPT, dropped: now.dropped || lines.length > KEPT };
    });
  };
  await follow(`/api/job/${encodeURIComponent(job)}/logs/tail?${query}`, {
    onEvent: (event) => {
      waiting.push(JSON.parse(event.data) as LogLine);
      if (waiting.length > KEPT) waiting = waiting.slice(-KEPT);
      if (frame === 0) frame = requestAnimationFrame(show);
    },
    onState: setState,
    onRefused: setFailure,
  }, signal);
  cancelAnimationFrame(frame);
}

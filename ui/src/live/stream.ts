import type { Query, QueryClient } from '@tanstack/react-query';
import { type FollowState, type ServerEvent, follow } from '../api/events';
import { Gathered, type Topic, concerned } from './topics';

/** What is shown is asked for again this often at most, however much changes, in milliseconds. */
const APART = 1_000;

/**
 * Follows what changes on the server for as long as the page is seen, and asks again for what is shown and has changed.
 * A browser has few connections to a host: a page that nobody sees keeps none.
 */
export function followChanges(queries: QueryClient, onState: (state: FollowState) => void): () => void {
  let stop: AbortController | null = null;
  const begin = () => {
    stop = new AbortController();
    const refresh = refresher(queries, stop.signal);
    void follow('/api/events', {
      onEvent: refresh.hear,
      onState: (state) => {
        onState(state);
        // What changed before, nobody told.
        if (state === 'open') refresh.all();
      },
      // Whoever is signed out is told so elsewhere.
      onRefused: () => onState('lost'),
    }, stop.signal);
  };
  const end = () => { stop?.abort(); stop = null; };
  const look = () => {
    if (document.hidden) end();
    else if (stop === null) begin();
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => { document.removeEventListener('visibilitychange', look); end(); };
}

function refresher(queries: QueryClient, signal: AbortSignal) {
  const gathered = new Gathered();
  let waits = false;
  let everything = false;
  let busy = false;
  const work = async () => {
    busy = true;
    while (waits && !signal.aborted) {
      waits = false;
      const changed = concerned(gathered.take());
      const concerns = everything ? (query: Query) => query.meta?.live !== undefined : changed;
      everything = false;
      // What changes while this is answered is asked for once more: the answer may be from before.
      await Promise.all([queries.invalidateQueries({ predicate: concerns }), new Promise((resolve) => setTimeout(resolve, APART))]);
    }
    busy = false;
  };
  const refresh = () => {
    waits = true;
    if (!busy) void work();
  };
  const all = () => {
    everything = true;
    refresh();
  };
  return {
    all,
    hear: ({ event, data }: ServerEvent) => {
      if (event === 'missed') return all();
      if (event !== 'changed') return;
      gathered.add(JSON.parse(data) as { topic: Topic; jobs: string[] | null });
      refresh();
    },
  };
}

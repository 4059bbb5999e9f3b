import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { jobsQuery } from '../api/queries';
import { chooseTheme, useTheme } from '../components/theme';
import { useRights } from '../session/session';
import { PLACES } from './places';

interface Entry {
  id: string;
  text: string;
  about: string;
  run: () => void;
}

const MOST = 30;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** How well a text answers what was typed: every word must be in it, and an early place is better. */
function score(text: string, words: readonly string[]): number | null {
  let sum = 0;
  for (const word of words) {
    const at = text.toLowerCase().indexOf(word);
    if (at < 0) return null;
    sum += at;
  }
  return sum;
}

/** Everything by typing: pages, jobs and their tabs, an invocation by its id. */
export function Palette({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const id = useId();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const rights = useRights();
  const theme = useTheme();
  const jobs = useQuery({ ...jobsQuery, enabled: rights.some('read', 'job', '*') });
  // Before anything is painted: what is typed at once belongs to it.
  useLayoutEffect(() => {
    dialog.current?.showModal();
  }, []);
  const entries = useMemo(() => {
    const all: Entry[] = PLACES.filter((place) => place.shown(rights)).map((place) => ({
      id: place.to, text: place.title, about: 'Page', run: () => void navigate({ to: place.to }),
    }));
    for (const job of jobs.data ?? []) {
      const params = { job: job.name };
      all.push({ id: job.id, text: job.name, about: 'Job', run: () => void navigate({ to: '/jobs/$job', params }) });
      for (const tab of ['invocations', 'logs', 'metrics', 'versions', 'environment', 'triggers', 'settings'] as const) {
        all.push({ id: `${job.id}/${tab}`, text: `${job.name} ${tab}`, about: 'Job', run: () => void navigate({ to: `/jobs/$job/${tab}`, params }) });
      }
    }
    if (rights.may('write', 'job', '-', 'publish')) {
      all.push({ id: 'publish', text: 'Publish a package', about: 'Action', run: () => void navigate({ to: '/jobs', search: { publish: 'yes' } }) });
    }
    const other = theme === 'dark' ? 'light' : 'dark';
    all.push({ id: 'theme', text: `Use the ${other} theme`, about: 'Action', run: () => chooseTheme(other) });
    return all;
  }, [jobs.data, navigate, rights, theme]);
  const found = useMemo(() => {
    const text = typed.trim();
    if (UUID.test(text)) {
      const run = () => void navigate({ to: '/invocations/$invocation', params: { invocation: text } });
      return [{ id: text, text: `Invocation ${text}`, about: 'Invocation', run }];
    }
    const words = text.toLowerCase().split(/\s+/).filter((word) => word !== '');
    return entries
      .map((entry) => ({ entry, points: score(entry.text, words) }))
      .filter((each) => each.points !== null)
      .sort((one, two) => (words.length === 0 ? 0 : (one.points ?? 0) - (two.points ?? 0) || one.entry.text.length - two.entry.text.length))
      .slice(0, MOST)
      .map((each) => each.entry);
  }, [entries, navigate, typed]);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);
  const pick = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  return (
    <dialog ref={dialog} className="palette" aria-label="Search or jump to" onCancel={onClose}
      onMouseDown={(event) => { if (event.target === dialog.current) onClose(); }}>
      <input autoFocus role="combobox" aria-expanded="true" aria-controls={id} aria-activedescendant={found[chosen] === undefined ? undefined : `${id}-${chosen}`}
        aria-label="Search pages, jobs and invocations" placeholder="A page, a job, an invocation's id…" value={typed}
        onChange={(event) => { setTyped(event.target.value); setAt(0); }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setAt(Math.min(chosen + 1, found.length - 1));
          else if (event.key === 'ArrowUp') setAt(Math.max(chosen - 1, 0));
          else if (event.key === 'Enter') pick(found[chosen]);
          else return;
          event.preventDefault();
        }} />
      <ul id={id} ref={list} role="listbox" aria-label="Found">
        {found.map((entry, index) => (
          <li key={entry.id} id={`${id}-${index}`} role="option" aria-selected={index === chosen} onMouseMove={() => setAt(index)} onClick={() => pick(entry)}>
            <span>{entry.text}</span><span className="muted">{entry.about}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p className="loading">Nothing is called that.</p> : null}
    </dialog>
  );
}

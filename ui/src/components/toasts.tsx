import { useSyncExternalStore } from 'react';
import { ApiFailure } from '../api/failure';
import { Icon } from './icons';

interface Toast {
  id: number;
  text: string;
  fail: boolean;
}

const KEPT = 4;
let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function change(to: readonly Toast[]): void {
  toasts = to;
  for (const listener of listeners) listener();
}

/** Says shortly that something was done. A failure stays until it is closed. */
export function toast(text: string, fail = false): void {
  last += 1;
  const id = last;
  change([...toasts.slice(1 - KEPT), { id, text, fail }]);
  if (!fail) setTimeout(() => dismiss(id), 5_000);
}

export function toastFailure(what: string, error: unknown): void {
  const failure = ApiFailure.from(error);
  toast(`${what}: ${failure.message} (${failure.code})`, true);
}

function dismiss(id: number): void {
  change(toasts.filter((each) => each.id !== id));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, fail }) => (
        <div key={id} className={fail ? 'toast fail' : 'toast'}>
          <span className="grow wrap">{text}</span>
          <button type="button" className="btn quiet icon small" aria-label="Close" onClick={() => dismiss(id)}><Icon name="close" /></button>
        </div>
      ))}
    </div>
  );
}

import { useState } from 'react';
import { isRecord } from '../api/failure';

interface Payload {
  input: string;
  body: string;
}

/** Payloads are kept in this browser, by job. */
function read(place: string): Record<string, Payload> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(`jobber-payloads-${place}`) ?? '{}');
    return isRecord(kept) ? (kept as unknown as Record<string, Payload>) : {};
  } catch {
    return {};
  }
}

/** Keeps what is in the editors under a name, and brings it back. */
export function SavedPayloads({ place, current, onLoad }: { place: string; current: Payload; onLoad: (payload: Payload) => void }) {
  const [all, setAll] = useState(() => read(place));
  const [name, setName] = useState('');
  const keep = (next: Record<string, Payload>) => {
    localStorage.setItem(`jobber-payloads-${place}`, JSON.stringify(next));
    setAll(next);
  };
  const chosen = all[name];
  return (
    <div className="row">
      <input aria-label="Name of a saved payload" className="grow" list={`saved-${place}`} placeholder="Saved payloads: type a name" value={name} onChange={(event) => setName(event.target.value)} />
      <datalist id={`saved-${place}`}>{Object.keys(all).map((each) => <option key={each} value={each} />)}</datalist>
      <button type="button" className="btn" disabled={chosen === undefined} onClick={() => { if (chosen !== undefined) onLoad(chosen); }}>Load</button>
      <button type="button" className="btn" disabled={name.trim() === ''} onClick={() => keep({ ...all, [name.trim()]: current })}>Save</button>
      <button type="button" className="btn" disabled={chosen === undefined} onClick={() => { const { [name]: _, ...rest } = all; keep(rest); setName(''); }}>Forget</button>
    </div>
  );
}

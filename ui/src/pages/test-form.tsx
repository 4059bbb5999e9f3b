import { useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useState } from 'react';
import { api, data } from '../api/client';
import type { Job, Tested, Trigger } from '../api/models';
import { Failure } from '../components/failure';
import { useRights } from '../session/session';
import { SavedPayloads } from './saved-payloads';
import { type Draft, eventOf, firstDraft, restored } from './test-event';
import { TestResult } from './test-result';

const Editor = lazy(() => import('../components/editor'));
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

/** Makes up an event of a trigger, sends it to a version, and shows what that answers. A request that is not `named` a trigger goes to the one whose route it matches. */
export function TestForm({ job, versionId, trigger, named }: { job: Job; versionId: string; trigger: Trigger; named: boolean }) {
  const rights = useRights();
  const queries = useQueryClient();
  const [draft, setDraft] = useState(() => firstDraft(trigger));
  const [round, setRound] = useState(0);
  const [fault, setFault] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tested, setTested] = useState<Tested | null>(null);
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const send = async () => {
    const event = eventOf(trigger.type, draft);
    setFault(typeof event === 'string' ? event : null);
    if (typeof event === 'string') return;
    setBusy(true);
    setError(null);
    setTested(null);
    try {
      setTested(await data(api.POST('/api/job/{job}/versions/{version}/test', {
        params: { path: { job: job.id, version: versionId } }, body: { ...(named || trigger.type !== 'http' ? { trigger: trigger.id } : {}), event },
      })));
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
      void queries.invalidateQueries({ queryKey: ['invocations'] });
    }
  };
  const { body, ...rest } = draft;
  const load = (saved: { input: string; body: string }) => {
    setDraft({ ...restored(saved.input, draft), body: saved.body });
    setRound(round + 1);
  };
  return (
    <div className="stack">
      <form className="stack" onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <SavedPayloads place={`${job.id}-${trigger.type}`} current={{ input: JSON.stringify(rest), body }} onLoad={load} />
        <Fields trigger={trigger} draft={draft} change={change} />
        {trigger.type === 'schedule' ? null : (
          <>
            <Suspense fallback={<div className="loading" role="status">Loading the editor…</div>}>
              <div className="field"><span>{trigger.type === 'mqtt' ? 'Payload' : 'Body'}</span><Editor key={round} label={trigger.type === 'mqtt' ? 'Payload' : 'Body'} value={body} onChange={(text) => change({ body: text })} /></div>
            </Suspense>
            <label className="row"><input type="checkbox" checked={draft.base64} onChange={(event) => change({ base64: event.target.checked })} />It is written in base64</label>
          </>
        )}
        {fault === null ? null : <p className="bad" role="alert">{fault}</p>}
        <footer className="row"><button type="submit" className="btn primary" disabled={busy} aria-busy={busy}>{busy ? 'Waiting for the answer…' : 'Send'}</button></footer>
      </form>
      {error === null ? null : <Failure error={error} />}
      {tested === null ? null : <TestResult tested={tested} jobName={job.name} seesLog={rights.ofJob(job, 'read', 'logs')} />}
    </div>
  );
}

function Fields({ trigger, draft, change }: { trigger: Trigger; draft: Draft; change: (part: Partial<Draft>) => void }) {
  if (trigger.type === 'schedule') {
    return <label className="field"><span>Instant</span><input type="datetime-local" step="1" value={draft.at} onChange={(event) => change({ at: event.target.value })} /><small className="muted">Now, unless it is given.</small></label>;
  }
  if (trigger.type === 'mqtt') {
    return (
      <div className="filters">
        <label className="field grow"><span>Topic</span><input required value={draft.topic} onChange={(event) => change({ topic: event.target.value })} /></label>
        <label className="field"><span>QoS</span><select value={draft.qos} onChange={(event) => change({ qos: event.target.value })}>{['0', '1', '2'].map((each) => <option key={each}>{each}</option>)}</select></label>
        <label className="row"><input type="checkbox" checked={draft.retain} onChange={(event) => change({ retain: event.target.checked })} />Retained</label>
      </div>
    );
  }
  const methods = METHODS.includes(draft.method) ? METHODS : [draft.method, ...METHODS];
  return (
    <>
      <div className="filters">
        <label className="field"><span>Method</span><select value={draft.method} onChange={(event) => change({ method: event.target.value })}>{methods.map((each) => <option key={each}>{each}</option>)}</select></label>
        <label className="field grow"><span>Path and query</span><input required value={draft.path} onChange={(event) => change({ path: event.target.value })} /></label>
      </div>
      <label className="field"><span>Header fields, one a line</span><textarea rows={3} placeholder="name: value" value={draft.headers} onChange={(event) => change({ headers: event.target.value })} /></label>
    </>
  );
}

import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Suspense, lazy, useState } from 'react';
import { api, data } from '../api/client';
import { isRecord } from '../api/failure';
import type { Job, OpenedInvocation } from '../api/models';
import { versionsQuery } from '../api/queries';
import { Dialog } from '../components/dialog';
import { Failure } from '../components/failure';
import { pretty } from '../components/format';
import { toast } from '../components/toasts';
import { useRights } from '../session/session';
import { SavedPayloads } from './saved-payloads';

const Editor = lazy(() => import('../components/editor'));

/** Does an invocation again with another input or body, on any version. */
export function ReplayDialog({ invocation, job, onClose }: { invocation: OpenedInvocation; job: Job; onClose: () => void }) {
  return <Dialog title="Edit and replay" big onClose={onClose}><ReplayForm invocation={invocation} job={job} onDone={onClose} /></Dialog>;
}

export function ReplayForm({ invocation, job, onDone }: { invocation: OpenedInvocation; job: Job; onDone: () => void }) {
  const navigate = useNavigate();
  const rights = useRights();
  const versions = useQuery({ ...versionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'versions', '*') });
  const firstInput = pretty(invocation.payload?.input ?? {});
  const firstBody = pretty(invocation.payload?.inputBody.text ?? '');
  const [input, setInput] = useState(firstInput);
  const [body, setBody] = useState(firstBody);
  const [versionId, setVersionId] = useState('');
  const [round, setRound] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setError(null);
    setFault(null);
    let changed: { [key: string]: unknown } | undefined;
    if (input !== firstInput) {
      try {
        const parsed: unknown = JSON.parse(input);
        if (!isRecord(parsed)) throw new Error('it has to be an object');
        changed = parsed;
      } catch (cause) {
        setFault(`The input is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
        return;
      }
    }
    setBusy(true);
    try {
      const changes = {
        ...(changed === undefined ? {} : { input: changed }),
        ...(body === firstBody ? {} : { body }),
        ...(versionId === '' ? {} : { versionId }),
      };
      const made = await data(api.POST('/api/invocations/{invocation}/replay', {
        params: { path: { invocation: invocation.id } }, body: changes as never,
      }));
      toast(made.leftOut.length === 0 ? 'It is done again' : `It is done again, without ${made.leftOut.join(', ')}`);
      onDone();
      await navigate({ to: '/invocations/$invocation', params: { invocation: made.invocationId } });
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  const load = (saved: { input: string; body: string }) => {
    setInput(saved.input);
    setBody(saved.body);
    setRound(round + 1);
  };
  return (
    <form className="stack" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <label className="field"><span>Version</span>
        <select value={versionId} onChange={(event) => setVersionId(event.target.value)}>
          <option value="">The one that serves{job.version ? ` (${job.version})` : ''}</option>
          {versions.data?.map((version) => <option key={version.id} value={version.id}>{version.version}</option>)}
        </select>
      </label>
      <SavedPayloads place={job.id} current={{ input, body }} onLoad={load} />
      <Suspense fallback={<div className="loading" role="status">Loading the editor…</div>}>
        <div className="field"><span>Input</span><Editor key={`input-${round}`} label="Input" value={input} onChange={setInput} /></div>
        <div className="field"><span>Body</span><Editor key={`body-${round}`} label="Body" value={body} onChange={setBody} /></div>
      </Suspense>
      {fault === null ? null : <p className="bad" role="alert">{fault}</p>}
      {error === null ? null : <Failure error={error} />}
      <footer className="row"><button type="submit" className="btn primary" disabled={busy}>{busy ? 'Sending…' : 'Send'}</button></footer>
    </form>
  );
}

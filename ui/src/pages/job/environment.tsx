import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, whole } from '../../api/client';
import type { Variable } from '../../api/models';
import { variablesQuery } from '../../api/queries';
import { Card, Copy, Empty, Time } from '../../components/basics';
import { Confirm, Dialog } from '../../components/dialog';
import { Failure, Loaded } from '../../components/failure';
import { Table } from '../../components/table';
import { toast } from '../../components/toasts';
import { useRights } from '../../session/session';
import { useJob } from './context';
import { parseDotenv } from './dotenv';

type Open = { what: 'add' } | { what: 'paste' } | { what: 'edit' | 'delete'; variable: Variable };

export function Environment() {
  const job = useJob();
  const rights = useRights();
  const variables = useQuery(variablesQuery(job.id));
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  const maySet = rights.ofJob(job, 'write', 'environment', '*');
  return (
    <>
      <Card title="Variables" flush actions={maySet ? <>
        <button type="button" className="btn" onClick={() => setOpen({ what: 'paste' })}>Paste a .env</button>
        <button type="button" className="btn primary" onClick={() => setOpen({ what: 'add' })}>Add</button>
      </> : undefined}>
        <Loaded query={variables}>
          {(all) => (all.length === 0 ? <Empty title="No variables">What the function reads from process.env is set here. Secrets are never shown again.</Empty> : (
            <Table label="Variables" items={all} id={(variable) => variable.name} columns={[
              { name: 'Name', cell: (variable) => <code>{variable.name}</code> },
              { name: 'Value', cell: (variable) => (variable.type === 'secret'
                ? <span className="masked" aria-label="a secret">••••••••</span>
                : <span className="row tight"><code className="clip">{variable.value}</code><Copy text={variable.value ?? ''} label={`Copy ${variable.name}`} /></span>) },
              { name: 'Kind', narrow: true, wide: true, cell: (variable) => <span className="tag">{variable.type}</span> },
              { name: 'Changed', narrow: true, wide: true, cell: (variable) => <Time at={variable.updated} /> },
              { name: 'Actions', silent: true, narrow: true, cell: (variable) => (
                <span className="row tight">
                  {rights.ofJob(job, 'write', 'environment', variable.name) ? <button type="button" className="btn small" onClick={() => setOpen({ what: 'edit', variable })}>Change</button> : null}
                  {rights.ofJob(job, 'delete', 'environment', variable.name) ? <button type="button" className="btn small danger" onClick={() => setOpen({ what: 'delete', variable })}>Remove</button> : null}
                </span>
              ) },
            ]} />
          ))}
        </Loaded>
      </Card>
      <p className="muted">A change replaces the runners one by one; no call is lost.</p>
      {open?.what === 'add' ? <VariableDialog onClose={close} /> : null}
      {open?.what === 'edit' ? <VariableDialog variable={open.variable} onClose={close} /> : null}
      {open?.what === 'paste' ? <PasteDialog known={variables.data ?? []} onClose={close} /> : null}
      {open?.what === 'delete' ? (
        <Confirm title={`Remove ${open.variable.name}?`} action="Remove" danger onClose={close}
          onConfirm={() => whole(api.DELETE('/api/job/{job}/environment/{name}', { params: { path: { job: job.id, name: open.variable.name } } })).then(() => variables.refetch())}>
          <p>The function will not see it any more.</p>
        </Confirm>
      ) : null}
    </>
  );
}

const set = (job: string, name: string, value: string, type: 'text' | 'secret') =>
  whole(api.POST('/api/job/{job}/environment/{name}', { params: { path: { job, name } }, body: { type, value } }));

function VariableDialog({ variable, onClose }: { variable?: Variable; onClose: () => void }) {
  const job = useJob();
  const queries = useQueryClient();
  const [secret, setSecret] = useState((variable?.type ?? 'secret') === 'secret');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = (variable?.name ?? String(form.get('name'))).trim();
    setBusy(true);
    try {
      await set(job.id, name, String(form.get('value')), secret ? 'secret' : 'text');
      await queries.invalidateQueries({ queryKey: variablesQuery(job.id).queryKey });
      toast(`${name.toUpperCase()} is set`);
      onClose();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <Dialog title={variable === undefined ? 'Add a variable' : `Change ${variable.name}`} onClose={onClose}>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        {variable === undefined ? <label className="field"><span>Name</span><input name="name" required pattern="[A-Za-z_][A-Za-z0-9_]*" autoFocus autoComplete="off" /></label> : null}
        <label className="field"><span>Value</span><textarea name="value" defaultValue={variable?.value ?? ''} autoFocus={variable !== undefined} spellCheck={false} /></label>
        <label className="check"><input type="checkbox" checked={secret} onChange={(event) => setSecret(event.target.checked)} />A secret: it is not shown again, and is masked where it is logged</label>
        {error === null ? null : <Failure error={error} />}
        <footer><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn primary" disabled={busy}>{busy ? 'Saving…' : 'Save'}</button></footer>
      </form>
    </Dialog>
  );
}

function PasteDialog({ known, onClose }: { known: readonly Variable[]; onClose: () => void }) {
  const job = useJob();
  const queries = useQueryClient();
  const [text, setText] = useState('');
  const [secret, setSecret] = useState(true);
  const [done, setDone] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const { entries, faults } = parseDotenv(text);
  const types = new Map(known.map((variable) => [variable.name, variable.type]));
  const save = async () => {
    setError(null);
    try {
      for (const [index, entry] of entries.entries()) {
        setDone(index);
        // One that is there keeps its kind: a secret does not become a text by the way.
        await set(job.id, entry.name, entry.value, types.get(entry.name) ?? (secret ? 'secret' : 'text'));
      }
      toast(`${entries.length} variables are set`);
      onClose();
    } catch (cause) {
      setError(cause);
    } finally {
      setDone(null);
      await queries.invalidateQueries({ queryKey: variablesQuery(job.id).queryKey });
    }
  };
  return (
    <Dialog title="Paste a .env" onClose={onClose}>
      <form className="stack" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <label className="field"><span>NAME=value, one a line</span><textarea value={text} onChange={(event) => setText(event.target.value)} autoFocus spellCheck={false} rows={8} /></label>
        <label className="check"><input type="checkbox" checked={secret} onChange={(event) => setSecret(event.target.checked)} />Keep new ones as secrets</label>
        {faults.length === 0 ? null : <ul className="bad" role="alert">{faults.map((fault) => <li key={fault}>{fault}</li>)}</ul>}
        {entries.length === 0 ? null : <p className="muted">{entries.map((entry) => `${entry.name}${types.has(entry.name) ? ' (replaced)' : ''}`).join(', ')}</p>}
        {done === null ? null : <progress className="bar" max={entries.length} value={done} aria-label="Progress" />}
        {error === null ? null : <Failure error={error} />}
        <footer><button type="button" className="btn" onClick={onClose}>Cancel</button>
          <button type="submit" className="btn primary" disabled={entries.length === 0 || faults.length > 0 || done !== null}>Set {entries.length} variables</button></footer>
      </form>
    </Dialog>
  );
}

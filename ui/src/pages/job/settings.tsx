import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data, whole } from '../../api/client';
import { ActButton, useAct } from '../../components/act';
import { Card, Copy, Facts, Time } from '../../components/basics';
import { Confirm } from '../../components/dialog';
import { Failure } from '../../components/failure';
import { useRights } from '../../session/session';
import { useJob } from './context';

export function JobSettings() {
  const job = useJob();
  const rights = useRights();
  const navigate = useNavigate();
  const act = useAct();
  const [deleting, setDeleting] = useState(false);
  const [description, setDescription] = useState(job.description ?? '');
  const change = (body: { status?: 'enabled' | 'disabled'; description?: string }) => whole(api.PUT('/api/job/{job}', { params: { path: { job: job.id } }, body }));
  const mayChange = rights.ofJob(job, 'write');
  const enabled = job.status === 'enabled';
  return (
    <div className="stack">
      <Card title="About">
        <div className="stack">
          <Facts items={[['Name', job.name], ['Id', <span key="id" className="row tight"><code>{job.id}</code><Copy text={job.id} label="Copy the id" /></span>], ['Made', <Time key="m" at={job.created} />], ['Changed', <Time key="c" at={job.modified} />]]} />
          {mayChange ? (
            <form className="row" onSubmit={(event) => { event.preventDefault(); void act('It could not be changed', () => change({ description }), 'The description is changed'); }}>
              <label className="field grow"><span>Description</span><input value={description} onChange={(event) => setDescription(event.target.value)} /></label>
              <button type="submit" className="btn" disabled={description === (job.description ?? '')}>Save</button>
            </form>
          ) : null}
        </div>
      </Card>
      {mayChange ? (
        <Card title={enabled ? 'Disable' : 'Enable'}>
          <div className="row between">
            <p className="grow">{enabled ? 'A disabled job keeps all it has, and has no routes and no runners.' : 'Its routes and triggers come back. That is refused if another job has taken a route meanwhile.'}</p>
            <ActButton run={() => change({ status: enabled ? 'disabled' : 'enabled' })} what={enabled ? 'It could not be disabled' : 'It could not be enabled'} done={enabled ? 'The job is disabled' : 'The job serves again'}>{enabled ? 'Disable' : 'Enable'}</ActButton>
          </div>
        </Card>
      ) : null}
      {rights.ofJob(job, 'read', 'callback-secret') ? <CallbackSecret /> : null}
      {rights.ofJob(job, 'delete') ? (
        <Card title="Delete">
          <div className="row between">
            <p className="grow">The job goes with everything of it: versions, runners, variables, what waits, stored items and log.</p>
            <button type="button" className="btn danger" onClick={() => setDeleting(true)}>Delete…</button>
          </div>
        </Card>
      ) : null}
      {deleting ? (
        <Confirm title={`Delete ${job.name}?`} action="Delete" danger typed={job.name} onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await whole(api.DELETE('/api/job/{job}', { params: { path: { job: job.id } } }));
            await navigate({ to: '/jobs' });
          }}>
          <p>This can not be taken back.</p>
        </Confirm>
      ) : null}
    </div>
  );
}

/** Shown only when asked for: it is what callbacks are trusted by. */
function CallbackSecret() {
  const job = useJob();
  const rights = useRights();
  const [secret, setSecret] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const path = { params: { path: { job: job.id } } };
  const show = async () => {
    try {
      setSecret((await data(api.GET('/api/job/{job}/callback-secret', path))).secret);
    } catch (cause) {
      setError(cause);
    }
  };
  const rotate = async () => setSecret((await data(api.POST('/api/job/{job}/callback-secret/rotate', path))).secret);
  return (
    <Card title="Secret of callbacks">
      <div className="stack tight">
        <p>Callbacks of asynchronous calls are signed with it. After a change they are signed with the former one as well, for a day.</p>
        {error === null ? null : <Failure error={error} />}
        <div className="row">
          {secret === null ? <button type="button" className="btn" onClick={() => void show()}>Show it</button> : <><code>{secret}</code><Copy text={secret} label="Copy the secret" /></>}
          {rights.ofJob(job, 'write', 'callback-secret') ? <ActButton run={rotate} what="It could not be changed" done="Callbacks have another secret">Change it</ActButton> : null}
        </div>
      </div>
    </Card>
  );
}

import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, data, whole } from '../api/client';
import { ActButton } from '../components/act';
import { Card, Empty, PageHead, Time } from '../components/basics';
import { Failure, Loaded } from '../components/failure';
import { PermissionText } from '../components/permissions-field';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { toast } from '../components/toasts';
import { useIdentity, useRights } from '../session/session';

export function Account() {
  useTitle('Account');
  const me = useIdentity();
  const rights = useRights();
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => data(api.GET('/api/auth/sessions')), enabled: me.user != null });
  return (
    <>
      <PageHead title={me.user?.username ?? 'A token'} about="Who you are here." />
      <div className="stack">
        <Card title="You may"><PermissionText value={me.tokenPermissions ?? me.permissions} /></Card>
        {me.user != null && rights.may('write', 'user', me.user.id, 'password') ? <Password user={me.user.id} /> : null}
        {me.user == null ? null : (
          <Card title="Your sessions" flush>
            <Loaded query={sessions}>
              {(all) => (all.length === 0 ? <Empty title="No session" /> : (
                <Table label="Sessions" items={all} id={(session) => session.id} columns={[
                  { name: 'Browser', cell: (session) => <><span className="clip" title={session.userAgent ?? undefined}>{session.userAgent ?? 'unknown'}</span>{session.id === me.sessionId ? <span className="tag on">this one</span> : null}</> },
                  { name: 'From', narrow: true, wide: true, cell: (session) => <code>{session.address}</code> },
                  { name: 'Last used', narrow: true, cell: (session) => <Time at={session.lastUsed} /> },
                  { name: 'Expires', narrow: true, wide: true, cell: (session) => <Time at={session.expires} /> },
                  { name: 'Actions', silent: true, narrow: true, cell: (session) => (session.id === me.sessionId ? null : <ActButton className="btn small" run={() => whole(api.DELETE('/api/auth/sessions/{session}', { params: { path: { session: session.id } } }))} what="It could not be ended" done="The session is ended">End</ActButton>) },
                ]} />
              ))}
            </Loaded>
          </Card>
        )}
      </div>
    </>
  );
}

function Password({ user }: { user: string }) {
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    setError(null);
    try {
      await whole(api.PUT('/api/users/{user}', { params: { path: { user } }, body: { password: String(new FormData(form).get('password')) } }));
      form.reset();
      toast('Your password is changed; your other sessions are ended');
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <Card title="Password">
      <form className="row" onSubmit={(event) => void submit(event)}>
        <label className="field grow"><span>New password</span><input name="password" type="password" minLength={8} required autoComplete="new-password" /></label>
        <button type="submit" className="btn">Change</button>
      </form>
      {error === null ? null : <Failure error={error} />}
    </Card>
  );
}

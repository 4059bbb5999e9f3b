import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, whole } from '../api/client';
import type { Permission, User } from '../api/models';
import { usersQuery } from '../api/queries';
import { ActButton } from '../components/act';
import { Badge, Card, Empty, PageHead, Time } from '../components/basics';
import { Confirm, Dialog } from '../components/dialog';
import { Failure, Loaded } from '../components/failure';
import { PermissionText, PermissionsField } from '../components/permissions-field';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { toast } from '../components/toasts';
import { useIdentity, useRights } from '../session/session';

type Open = { what: 'add' } | { what: 'edit' | 'delete'; user: User };

export function Users() {
  useTitle('Users');
  const rights = useRights();
  const me = useIdentity();
  const users = useQuery(usersQuery);
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  const enable = (user: User) => whole(api.PUT('/api/users/{user}', { params: { path: { user: user.id } }, body: { enabled: !user.enabled } }));
  const mayEdit = (user: User) => ['username', 'password', 'permissions'].some((part) => rights.may('write', 'user', user.id, part));
  return (
    <>
      <PageHead title="Users" about="Who signs in, and what they may do." actions={rights.some('write', 'user', '*') ? <button type="button" className="btn primary" onClick={() => setOpen({ what: 'add' })}>Add a user</button> : undefined} />
      <Card flush>
        <Loaded query={users}>
          {(all) => (all.length === 0 ? <Empty title="No user">Add one, so that people need no token.</Empty> : (
            <Table label="Users" items={all} id={(user) => user.id} columns={[
              { name: 'User', cell: (user) => <span className="row"><strong>{user.username}</strong>{user.id === me.user?.id ? <span className="tag on">you</span> : null}</span> },
              { name: 'Status', narrow: true, cell: (user) => <Badge status={user.enabled ? 'enabled' : 'disabled'} /> },
              { name: 'May do', wide: true, cell: (user) => <PermissionText value={user.permissions} /> },
              { name: 'Changed', narrow: true, wide: true, cell: (user) => <Time at={user.updated} /> },
              { name: 'Actions', silent: true, narrow: true, cell: (user) => (
                <span className="row tight">
                  {mayEdit(user) ? <button type="button" className="btn small" onClick={() => setOpen({ what: 'edit', user })}>Change</button> : null}
                  {rights.may('write', 'user', user.id, 'permissions') && user.id !== me.user?.id ? <ActButton className="btn small" run={() => enable(user)} what={`${user.username} could not be changed`} done={`${user.username} is ${user.enabled ? 'disabled' : 'enabled'}`}>{user.enabled ? 'Disable' : 'Enable'}</ActButton> : null}
                  {rights.may('delete', 'user', user.id) && user.id !== me.user?.id ? <button type="button" className="btn small danger" onClick={() => setOpen({ what: 'delete', user })}>Remove</button> : null}
                </span>
              ) },
            ]} />
          ))}
        </Loaded>
      </Card>
      {open?.what === 'add' ? <UserDialog onClose={close} /> : null}
      {open?.what === 'edit' ? <UserDialog user={open.user} onClose={close} /> : null}
      {open?.what === 'delete' ? (
        <Confirm title={`Remove ${open.user.username}?`} action="Remove" danger typed={open.user.username} onClose={close}
          onConfirm={() => whole(api.DELETE('/api/users/{user}', { params: { path: { user: open.user.id } } })).then(() => users.refetch())}><p>With the user go their sessions and tokens.</p></Confirm>
      ) : null}
    </>
  );
}

function UserDialog({ user, onClose }: { user?: User; onClose: () => void }) {
  const rights = useRights();
  const queries = useQueryClient();
  const [permissions, setPermissions] = useState<Permission[]>(user?.permissions ?? []);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const may = (part: string) => user === undefined || rights.may('write', 'user', user.id, part);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => { const value = form.get(name); return typeof value === 'string' && value !== '' ? value : undefined; };
    const [username, password] = [text('username'), text('password')];
    setBusy(true);
    try {
      if (user === undefined) await whole(api.POST('/api/users', { body: { username: username ?? '', password: password ?? '', permissions } }));
      else {
        const changed = JSON.stringify(permissions) !== JSON.stringify(user.permissions);
        await whole(api.PUT('/api/users/{user}', { params: { path: { user: user.id } }, body: {
          ...(username !== undefined && username !== user.username ? { username } : {}), ...(password === undefined ? {} : { password }), ...(changed ? { permissions } : {}),
        } }));
      }
      await queries.invalidateQueries();
      toast(`${username ?? user?.username ?? 'The user'} is saved`);
      onClose();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <Dialog title={user === undefined ? 'Add a user' : `Change ${user.username}`} big onClose={onClose}>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        {may('username') ? <label className="field"><span>User name</span><input name="username" required defaultValue={user?.username} autoComplete="off" autoFocus /></label> : null}
        {may('password') ? <label className="field"><span>{user === undefined ? 'Password' : 'New password'}</span><input name="password" type="password" minLength={8} required={user === undefined} autoComplete="new-password" /><span className="hint">At least 8 characters{user === undefined ? '' : '; empty leaves it as it is'}.</span></label> : null}
        {may('permissions') ? <PermissionsField value={permissions} onChange={setPermissions} /> : null}
        {error === null ? null : <Failure error={error} />}
        <footer><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn primary" disabled={busy}>{busy ? 'Saving…' : 'Save'}</button></footer>
      </form>
    </Dialog>
  );
}

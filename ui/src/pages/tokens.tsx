import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, data, whole } from '../api/client';
import type { ApiToken, Permission } from '../api/models';
import { tokensQuery } from '../api/queries';
import { ActButton } from '../components/act';
import { Badge, Card, Code, Empty, PageHead, Time } from '../components/basics';
import { Confirm, Dialog } from '../components/dialog';
import { Failure, Loaded } from '../components/failure';
import { PermissionText, PermissionsField } from '../components/permissions-field';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { useIdentity, useRights } from '../session/session';

export function Tokens() {
  useTitle('API tokens');
  const rights = useRights();
  const me = useIdentity();
  const tokens = useQuery(tokensQuery);
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<ApiToken | null>(null);
  const enable = (token: ApiToken) => whole(api.PUT('/api/api-tokens/{token}', { params: { path: { token: token.id } }, body: { enabled: !token.enabled } }));
  const expired = (token: ApiToken) => token.expires != null && Date.parse(token.expires) < Date.now();
  return (
    <>
      <PageHead title="API tokens" about="What programs prove themselves with. A token may at most what its user may."
        actions={rights.some('write', 'api-tokens', '*') && me.user != null ? <button type="button" className="btn primary" onClick={() => setAdding(true)}>Make a token</button> : undefined} />
      <Card flush>
        <Loaded query={tokens}>
          {(all) => (all.length === 0 ? <Empty title="No token">Make one for CI, a script or Prometheus.{me.user == null ? ' A token belongs to a user: sign in as one.' : ''}</Empty> : (
            <Table label="API tokens" items={all} id={(token) => token.id} columns={[
              { name: 'Token', cell: (token) => <><code>{token.prefix}…</code><span className="desc">{token.description}</span></> },
              { name: 'User', narrow: true, wide: true, cell: (token) => token.username },
              { name: 'Status', narrow: true, cell: (token) => (expired(token) ? <Badge status="disabled" text="expired" /> : <Badge status={token.enabled ? 'enabled' : 'disabled'} />) },
              { name: 'May do', wide: true, cell: (token) => <PermissionText value={token.permissions} /> },
              { name: 'Last used', narrow: true, cell: (token) => <Time at={token.lastUsed} /> },
              { name: 'Expires', narrow: true, wide: true, cell: (token) => (token.expires == null ? <span className="muted">never</span> : <Time at={token.expires} />) },
              { name: 'Actions', silent: true, narrow: true, cell: (token) => (
                <span className="row tight">
                  {rights.may('write', 'api-tokens', token.id) ? <ActButton className="btn small" run={() => enable(token)} what="The token could not be changed" done={`The token is ${token.enabled ? 'disabled' : 'enabled'}`}>{token.enabled ? 'Disable' : 'Enable'}</ActButton> : null}
                  {rights.may('delete', 'api-tokens', token.id) ? <button type="button" className="btn small danger" onClick={() => setDeleting(token)}>Remove</button> : null}
                </span>
              ) },
            ]} />
          ))}
        </Loaded>
      </Card>
      {adding ? <TokenDialog onClose={() => setAdding(false)} /> : null}
      {deleting === null ? null : (
        <Confirm title="Remove this token?" action="Remove" danger onClose={() => setDeleting(null)}
          onConfirm={() => whole(api.DELETE('/api/api-tokens/{token}', { params: { path: { token: deleting.id } } })).then(() => tokens.refetch())}>
          <p>Whatever uses <code>{deleting.prefix}…</code> is refused from now on.</p>
        </Confirm>
      )}
    </>
  );
}

function TokenDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [permissions, setPermissions] = useState<Permission[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [made, setMade] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const days = Number(form.get('days'));
    try {
      const expires = days > 0 ? { expires: new Date(Date.now() + days * 86_400_000).toISOString() } : {};
      const token = await data(api.POST('/api/api-tokens', { body: { description: String(form.get('description')), permissions, ...expires } }));
      setMade(token.token);
      await queries.invalidateQueries({ queryKey: tokensQuery.queryKey });
    } catch (cause) {
      setError(cause);
    }
  };
  if (made !== null) {
    return <Dialog title="The token" onClose={onClose}><p>It is shown this once. Keep it where secrets belong.</p><Code label="Token" text={made} /><footer><button type="button" className="btn primary" onClick={onClose}>Done</button></footer></Dialog>;
  }
  return (
    <Dialog title="Make a token" big onClose={onClose}>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <label className="field"><span>What it is for</span><input name="description" autoFocus /></label>
        <label className="field"><span>Expires</span><select name="days" defaultValue="90"><option value="7">in 7 days</option><option value="30">in 30 days</option><option value="90">in 90 days</option><option value="365">in a year</option><option value="0">never</option></select></label>
        <PermissionsField value={permissions} onChange={setPermissions} />
        {error === null ? null : <Failure error={error} />}
        <footer><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn primary" disabled={permissions.length === 0}>Make it</button></footer>
      </form>
    </Dialog>
  );
}

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { api, data, storedToken, whole } from '../api/client';
import { ApiFailure } from '../api/failure';
import { Code } from '../components/basics';
import { Failure } from '../components/failure';
import { Mark } from '../components/icons';
import { identityQuery } from '../session/session';

/** Only places of this panel: an address from elsewhere could lead anywhere. */
function safe(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])/.test(next) ? next : '/';
}

/** A token behind the `#` of the address, as `jobber dev` prints it. It is only filled in: whoever came by a link is asked. */
const tokenOfAddress = (): string => new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '';

export function SignIn() {
  const [given] = useState(tokenOfAddress);
  const [byToken, setByToken] = useState(given !== '');
  const firstStart = useQuery({ queryKey: ['first-start'], queryFn: () => data(api.GET('/api/auth/first-start')), retry: false });
  const isFirst = firstStart.data?.firstSignInDue === true;
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const router = useRouter();
  const { next } = useSearch({ from: '/sign-in' });
  useEffect(() => {
    document.title = 'Sign in · Jobber';
    // Neither the history nor a copied address keeps it.
    if (tokenOfAddress() !== '') window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      if (byToken) storedToken.set(String(form.get('token')).trim());
      else {
        storedToken.clear();
        await whole(api.POST('/api/auth/login', { body: { username: String(form.get('username')), password: String(form.get('password')) } }));
      }
      queries.removeQueries();
      await queries.fetchQuery(identityQuery);
      router.history.push(safe(next));
    } catch (cause) {
      if (byToken) storedToken.clear();
      // The API's words are for programs that sent none.
      const unknown = byToken && cause instanceof ApiFailure && cause.code === 'unauthorized';
      setError(unknown ? new ApiFailure(cause.status, cause.code, 'Unknown token', 'This token is not known here, or not any more. See that it is whole, and of this server.') : cause);
      setBusy(false);
    }
  };
  return (
    <main className="door">
      <div className="card">
        <div className="body">
          <div className="row"><Mark /><h1>Sign in to Jobber</h1></div>
          <form className="stack tight" onSubmit={(event) => void submit(event)} key={byToken ? 'token' : 'password'}>
            {byToken ? (
              <label className="field"><span>API token</span><input name="token" type="password" autoComplete="off" required autoFocus defaultValue={given} /></label>
            ) : (
              <>
                <label className="field"><span>User name</span><input name="username" autoComplete="username" required autoFocus /></label>
                <label className="field"><span>Password</span><input name="password" type="password" autoComplete="current-password" required /></label>
              </>
            )}
            {error === null ? null : <Failure error={error} />}
            <button type="submit" className="btn primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</button>
            <button type="button" className="btn quiet" onClick={() => { setByToken(!byToken); setError(null); }}>
              {byToken ? 'Use name and password' : 'Use an API token instead'}
            </button>
          </form>
          {isFirst ? <p className="note" role="status">Nobody has signed in here yet. The first password still waits to be used.</p> : null}
          <details key={isFirst ? 'first' : 'later'} open={isFirst}>
            <summary>Signing in for the first time?</summary>
            <div className="stack tight">
              <p>The first start made the user <code>admin</code>. Where it runs by compose, its password is printed by</p>
              <Code label="Command" text="docker compose exec jobber cat /run/secrets/admin-password" />
              <p>Elsewhere it is <code>STARTUP_PASSWORD</code>, or was printed once at the first start. A running <code>jobber dev</code> has printed an address to sign in with; its token is also in</p>
              <Code label="Command" text={"sed -n 's/.*\"token\": \"\\(.*\\)\".*/\\1/p' .jobber/dev.json"} />
            </div>
          </details>
        </div>
      </div>
    </main>
  );
}

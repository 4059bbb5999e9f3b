import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { Suspense, useEffect, useRef, useState } from 'react';
import { Catch } from '../components/failure';
import { Icon, Mark } from '../components/icons';
import { chooseTheme, useTheme } from '../components/theme';
import type { FollowState } from '../api/events';
import { followChanges } from '../live/stream';
import { useIdentity, useRights, useSignOut } from '../session/session';
import { Palette } from './palette';
import { PLACES } from './places';

const GROUPS = ['Functions', 'Server', 'Access'] as const;

/** What surrounds every page: navigation, search, theme, and who is signed in. */
export function Shell() {
  const [open, setOpen] = useState(false);
  const [finding, setFinding] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const queries = useQueryClient();
  const loading = useIsFetching({ predicate: (query) => query.state.data === undefined }) > 0;
  const [changes, setChanges] = useState<FollowState>('connecting');
  useEffect(() => followChanges(queries, setChanges), [queries]);
  useEffect(() => {
    setOpen(false);
    // Whoever hears the page is told of the new one; on the first load the browser does so itself.
    if (first.current) first.current = false;
    else if (document.querySelector('dialog[open]') === null) main.current?.focus({ preventScroll: true });
  }, [path]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && (event.target.isContentEditable || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName));
      if ((event.key === 'k' && (event.ctrlKey || event.metaKey)) || (event.key === '/' && !typing)) {
        event.preventDefault();
        setFinding(true);
      } else if (event.key === 'Escape') setOpen(false);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return (
    <div className="shell" data-loading={loading}>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the page</a>
      <Side open={open} />
      {open ? <button type="button" className="veil" aria-label="Close the navigation" onClick={() => setOpen(false)} /> : null}
      <div>
        <Top onMenu={() => setOpen(!open)} open={open} onFind={() => setFinding(true)} lost={changes === 'lost'} />
        <main id="main" ref={main} tabIndex={-1}>
          <Catch at={path}>
            <Suspense fallback={<div className="loading" role="status">Loading…</div>}><Outlet /></Suspense>
          </Catch>
        </main>
      </div>
      {finding ? <Palette onClose={() => setFinding(false)} /> : null}
    </div>
  );
}

function Side({ open }: { open: boolean }) {
  const rights = useRights();
  const places = PLACES.filter((place) => place.shown(rights));
  return (
    <nav className="side" data-open={open} aria-label="Main" id="navigation">
      <Link to="/" className="brand"><Mark />Jobber</Link>
      {GROUPS.map((group) => {
        const items = places.filter((place) => place.group === group);
        if (items.length === 0) return null;
        return (
          <div key={group}>
            <h2>{group}</h2>
            <ul>
              {items.map(({ to, title, icon }) => (
                <li key={to}><Link to={to} className="item" activeOptions={{ exact: to === '/', includeSearch: false }}><Icon name={icon} />{title}</Link></li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

function Top({ onMenu, onFind, open, lost }: { onMenu: () => void; onFind: () => void; open: boolean; lost: boolean }) {
  const me = useIdentity();
  const theme = useTheme();
  const signOut = useSignOut();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header className="top">
      <button type="button" className="btn quiet icon menu" aria-label="Navigation" aria-expanded={open} aria-controls="navigation" onClick={onMenu}><Icon name="menu" /></button>
      <button type="button" className="find" onClick={onFind}><Icon name="search" /><span>Search or jump to…</span><kbd>Ctrl K</kbd></button>
      <div className="grow" role="status">{lost ? <span className="bad" title="What is shown may be old. It is tried again by itself.">Not live</span> : null}</div>
      <button type="button" className="btn quiet icon" aria-label={`Use the ${other} theme`} title={`Use the ${other} theme`} onClick={() => chooseTheme(other)}>
        <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
      </button>
      <Link to="/account" className="btn quiet" aria-label={`Account of ${me.user?.username ?? 'this token'}`}><Icon name="users" /><span className="wide">{me.user?.username ?? 'Token'}</span></Link>
      <button type="button" className="btn quiet icon" aria-label="Sign out" title="Sign out" onClick={() => void signOut()}><Icon name="out" /></button>
    </header>
  );
}

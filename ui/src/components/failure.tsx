import type { UseQueryResult } from '@tanstack/react-query';
import { Component, type ReactNode, useEffect, useState } from 'react';
import { ApiFailure, helpFor } from '../api/failure';

/** What went wrong, why, and what to do next. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const failure = ApiFailure.from(error);
  const [help, setHelp] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    void helpFor(failure.code).then((text) => { if (current) setHelp(text); }, () => undefined);
    return () => { current = false; };
  }, [failure.code]);
  return (
    <div className="note fail" role="alert">
      <strong>{failure.title}</strong>
      <p className="wrap">{failure.message}</p>
      {failure.faults.length === 0 ? null : (
        <ul>{failure.faults.map((fault) => <li key={`${fault.pointer}${fault.code}`}><code>{fault.pointer || '/'}</code> {fault.message}</li>)}</ul>
      )}
      {help === null ? null : <p className="muted">{help}</p>}
      <div className="row">
        <span className="muted">Code <code>{failure.code}</code>{failure.retryAfter === null ? '' : `, try again in ${failure.retryAfter} s`}</span>
        {retry === undefined ? null : <button type="button" className="btn small" onClick={retry}>Try again</button>}
      </div>
    </div>
  );
}

/** Shows what a query brought; while it comes, that it comes; and where it failed, why. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : null}
        {children(query.data)}
      </>
    );
  }
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <div className="loading" role="status">Loading…</div>;
}

/** A fault of the panel itself: the page says so instead of going blank. */
export class Catch extends Component<{ children: ReactNode; at: string }, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: this.props.at };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  static getDerivedStateFromProps(props: { at: string }, state: { error: unknown; at: string }) {
    return props.at === state.at ? null : { error: null, at: props.at };
  }
  override render() {
    return this.state.error === null ? this.props.children : <PageFault error={this.state.error} />;
  }
}

export function PageFault({ error }: { error: unknown }) {
  if (error instanceof ApiFailure) return <Failure error={error} retry={() => window.location.reload()} />;
  return (
    <div className="note fail" role="alert">
      <strong>This page can not be shown</strong>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      <p className="muted">If the server was just upgraded, this browser still has the former panel: load the page again.</p>
      <button type="button" className="btn small" onClick={() => window.location.reload()}>Load again</button>
    </div>
  );
}

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Actor } from '../api/models';
import { treeQuery } from '../api/queries';
import { Badge, Card, PageHead, Stats, Time } from '../components/basics';
import { Loaded } from '../components/failure';
import { count, plural, pretty } from '../components/format';
import { useTitle } from '../components/title';

function* all(actor: Actor): Generator<Actor> {
  yield actor;
  for (const child of actor.children) yield* all(child);
}
const failed = (actor: Actor): boolean => actor.lastFailure != null || actor.restarts > 0 || !actor.responsive || actor.state === 'backing-off';

export function Supervision() {
  useTitle('Supervision');
  const tree = useQuery(treeQuery);
  const [amiss, setAmiss] = useState(false);
  return (
    <>
      <PageHead title="Supervision" about="Every actor of the server as it is now: its state, how often it was restarted, and why."
        actions={<button type="button" className="btn" aria-pressed={amiss} onClick={() => setAmiss(!amiss)}>Only what failed</button>} />
      <Loaded query={tree}>
        {(root) => {
          const actors = [...all(root)];
          const wrong = actors.filter(failed);
          return (
            <div className="stack">
              <Stats items={[
                { label: 'Actors', value: count(actors.length) },
                { label: 'Running', value: count(actors.filter((actor) => actor.state === 'running').length) },
                { label: 'Restarts', value: count(actors.reduce((sum, actor) => sum + actor.restarts, 0)) },
                { label: 'Not answering', value: count(actors.filter((actor) => !actor.responsive).length) },
              ]} />
              <Card>
                {amiss && wrong.length === 0 ? <p className="muted">None has failed.</p> : (
                  <div className="tree"><Node actor={root} amiss={amiss} depth={0} /></div>
                )}
              </Card>
            </div>
          );
        }}
      </Loaded>
    </>
  );
}

function Node({ actor, amiss, depth }: { actor: Actor; amiss: boolean; depth: number }) {
  const children = amiss ? actor.children.filter((child) => [...all(child)].some(failed)) : actor.children;
  const [opened, setOpened] = useState(depth < 3);
  const head = <Head actor={actor} />;
  if (children.length === 0) return <div className="leaf">{head}</div>;
  return (
    <details open={opened || amiss} onToggle={(event) => { if (!amiss && event.target === event.currentTarget) setOpened(event.currentTarget.open); }}>
      <summary>{head}<span className="muted">{children.length}</span></summary>
      {opened || amiss ? <ul>{children.map((child) => <li key={child.id}><Node actor={child} amiss={amiss} depth={depth + 1} /></li>)}</ul> : null}
    </details>
  );
}

function Head({ actor }: { actor: Actor }) {
  const status = actor.state === 'running' ? 'ok' : actor.state;
  return (
    <>
      <Badge status={actor.responsive ? status : 'unhealthy'} text={<strong>{actor.name || 'jobber'}</strong>} />
      <span className="muted">{actor.state}{actor.responsive ? '' : ', does not answer'} <Time at={actor.sinceUnixMs} /></span>
      {actor.restarts > 0 ? <span className="tag">{plural(actor.restarts, 'restart')}</span> : null}
      {actor.lastFailure == null ? null : <span className="bad wrap">{typeof actor.lastFailure === 'string' ? actor.lastFailure : pretty(actor.lastFailure)}</span>}
    </>
  );
}

import { type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import type { Job, TriggerKind } from '../api/models';
import { ago, fullTime } from './format';
import { Icon, type IconName } from './icons';

/** One clock for all relative times of the page. */
const ticking = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
function tick(listener: () => void): () => void {
  ticking.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of ticking) each();
  }, 1000);
  return () => {
    ticking.delete(listener);
    if (ticking.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** A moment, as how long ago it was; the title says exactly. */
export function Time({ at }: { at: string | number | null | undefined }) {
  const current = useSyncExternalStore(tick, () => now);
  if (at === null || at === undefined) return <span className="muted">–</span>;
  const instant = typeof at === 'number' ? at : Date.parse(at);
  return (
    <time dateTime={new Date(instant).toISOString()} title={fullTime(instant)} className="num">
      {ago(instant, Math.max(current, Date.now() - 1000))}
    </time>
  );
}

/** The first of these moments that is still to come. */
export function Upcoming({ moments }: { moments: readonly string[] }) {
  const current = useSyncExternalStore(tick, () => now);
  const next = moments.find((at) => Date.parse(at) > current - 1000);
  return next === undefined ? <span className="muted">due</span> : <Time at={next} />;
}

export function Badge({ status, text }: { status: string; text?: ReactNode }) {
  return <span className={`badge s-${status}`}>{text ?? status.replaceAll('-', ' ')}</span>;
}

/** Whether a job serves. One whose version can not be imported does not, though it is enabled. */
export function JobBadge({ job }: { job: Job }) {
  if (job.status !== 'enabled' || job.importFailed == null) return <Badge status={job.status} />;
  return <span title={`${job.importFailed.version} could not be imported`}><Badge status="failed" text="import failed" /></span>;
}

export function Kind({ type, label }: { type: TriggerKind; label?: boolean }) {
  const name = { http: 'HTTP', mqtt: 'MQTT', schedule: 'Schedule' }[type];
  return <span className="kind">{label === false ? <Icon name={type} label={name} /> : <><Icon name={type} />{name}</>}</span>;
}

export function Card({ title, actions, flush, children, id }: {
  title?: ReactNode; actions?: ReactNode; flush?: boolean; children: ReactNode; id?: string;
}) {
  return (
    <section className="card" id={id}>
      {title === undefined ? null : <header><h2>{title}</h2>{actions === undefined ? null : <div className="row">{actions}</div>}</header>}
      <div className={flush ? 'body flush' : 'body'}>{children}</div>
    </section>
  );
}

export function PageHead({ title, about, actions }: { title: ReactNode; about?: ReactNode; actions?: ReactNode }) {
  return (
    <div className="head">
      <div className="grow"><h1>{title}</h1>{about === undefined ? null : <p>{about}</p>}</div>
      {actions === undefined ? null : <div className="row">{actions}</div>}
    </div>
  );
}

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return <div className="empty"><strong>{title}</strong>{children === undefined ? null : <div>{children}</div>}{action}</div>;
}

export function Stats({ items }: { items: readonly { label: string; value: ReactNode; note?: ReactNode }[] }) {
  return (
    <dl className="stats">
      {items.map(({ label, value, note }) => (
        <div className="stat" key={label}><dt>{label}</dt><dd>{value}{note === undefined ? null : <small>{note}</small>}</dd></div>
      ))}
    </dl>
  );
}

export function Facts({ items }: { items: readonly (readonly [string, ReactNode] | null)[] }) {
  return (
    <dl className="facts">
      {items.map((item) => (item === null ? null : <Fact key={item[0]} name={item[0]} value={item[1]} />))}
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  return <><dt>{name}</dt><dd>{value}</dd></>;
}

/** Copies a text, and shows for a moment that it did. */
export function Copy({ text, label, shown }: { text: string; label: string; shown?: boolean }) {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const back = setTimeout(() => setState('idle'), 1500);
    return () => clearTimeout(back);
  }, [state]);
  const icon: IconName = state === 'done' ? 'done' : state === 'failed' ? 'close' : 'copy';
  return (
    <button type="button" className={shown ? 'btn small' : 'btn quiet icon'} title={label} aria-label={shown ? undefined : label}
      onClick={() => void copyText(text).then((worked) => setState(worked ? 'done' : 'failed'))}>
      <Icon name={icon} />{shown ? (state === 'done' ? 'Copied' : label) : null}
      <span className="sr" role="status">{state === 'done' ? 'Copied' : state === 'failed' ? 'Copying failed' : ''}</span>
    </button>
  );
}

/** The clipboard is only there on https and on this machine; elsewhere a selection is copied as of old. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const worked = document.execCommand('copy');
    area.remove();
    return worked;
  }
}

export function Code({ text, label }: { text: string; label?: string }) {
  return (
    <div className="code">
      <pre tabIndex={0} aria-label={label ?? 'Text'} role="region"><code>{text}</code></pre>
      <Copy text={text} label={`Copy ${label === undefined ? '' : label.toLowerCase()}`.trim()} />
    </div>
  );
}

import type { OpenedInvocation } from '../api/models';
import { duration, fullTime } from './format';

interface Part {
  name: string;
  kind: 'queued' | 'cold' | 'handler';
  from: number;
  to: number;
}

/** Divides an attempt's time: waiting, of which the last part may be a cold start, and the handler. */
export function partsOf(invocation: OpenedInvocation): Part[] {
  const queued = Date.parse(invocation.queued);
  const started = invocation.started == null ? null : Date.parse(invocation.started);
  // Dates have milliseconds only, the duration has more: what is short would have no length by dates.
  const end = invocation.durationMs == null ? Date.now() : queued + invocation.durationMs;
  const until = started ?? end;
  const cold = invocation.coldStart == null ? 0 : Math.min(until - queued, invocation.coldStart.connectMs + invocation.coldStart.loadMs);
  const parts: Part[] = [];
  if (until - cold > queued) parts.push({ name: 'Queued', kind: 'queued', from: queued, to: until - cold });
  if (cold > 0) parts.push({ name: 'Cold start', kind: 'cold', from: until - cold, to: until });
  if (started !== null) parts.push({ name: 'Handler', kind: 'handler', from: started, to: Math.max(end, started) });
  return parts;
}

export function Timeline({ invocation }: { invocation: OpenedInvocation }) {
  const parts = partsOf(invocation);
  const start = Date.parse(invocation.queued);
  const length = Math.max(0.001, ...parts.map((part) => part.to - start));
  return (
    <div className="stack">
      <div className="timeline">
        {parts.map((part) => (
          <Bar key={part.kind} part={part} start={start} length={length} />
        ))}
      </div>
      <ol className="facts" aria-label="What happened when">
        {invocation.timeline.map((moment) => (
          <li key={`${moment.what}${moment.at}${moment.attempt}`} className="row"><span className="tag">{moment.what.replaceAll('-', ' ')}</span><span className="muted num">{duration(Date.parse(moment.at) - start)} in, try {moment.attempt}</span><span className="sr">{fullTime(Date.parse(moment.at))}</span></li>
        ))}
      </ol>
      {invocation.coldStart == null ? null : <p className="muted">A new runner had to start: {duration(invocation.coldStart.connectMs)} until it was connected, {duration(invocation.coldStart.loadMs)} to import the module.</p>}
    </div>
  );
}

function Bar({ part, start, length }: { part: Part; start: number; length: number }) {
  const x = ((part.from - start) / length) * 100;
  return (
    <>
      <span>{part.name}</span>
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
        <rect className="t" width="100" height="14" rx="2" />
        <rect className={part.kind} x={Math.min(99, x)} width={Math.max(0.8, ((part.to - part.from) / length) * 100)} height="14" />
      </svg>
      <span className="num">{duration(part.to - part.from)}</span>
    </>
  );
}

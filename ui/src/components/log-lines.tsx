import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import type { LogLine } from '../api/models';
import { clockTime, fullTime } from './format';

const Row = memo(function Row({ line, linked }: { line: LogLine; linked: boolean }) {
  const at = Date.parse(line.time);
  return (
    <li className={`k-${line.level}`}>
      <time dateTime={line.time} title={fullTime(at)} className="muted">{clockTime(at)}</time>
      <span className={`lvl l-${line.stream === 'system' ? 'system' : line.level}`}>{line.stream === 'system' ? 'jobber' : line.level}</span>
      <span className="msg">{line.message}{line.fields == null ? null : <span className="muted"> {JSON.stringify(line.fields)}</span>}</span>
      {linked && line.invocationId != null
        ? <Link className="to" to="/invocations/$invocation" params={{ invocation: line.invocationId }} preload={false} title={line.invocationId} aria-label={`Invocation ${line.invocationId.slice(-8)}`}>{line.invocationId.slice(-8)}</Link>
        : <span className="to" />}
    </li>
  );
});

/** Lines of a log. With `short`, in a card of its own size and without links to their invocation. */
export function LogLines({ lines, short }: { lines: readonly LogLine[]; short?: boolean }) {
  const rows = lines.map((line) => <Row key={line.cursor} line={line} linked={!short} />);
  return short ? <ul className="log short" tabIndex={0} aria-label="Log lines">{rows}</ul> : <ul>{rows}</ul>;
}

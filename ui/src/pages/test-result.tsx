import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import type { Tested } from '../api/models';
import { Badge, Card, Code, Facts } from '../components/basics';
import { bytes, duration, pretty } from '../components/format';

/** What a version answered to an event that was sent to it. */
export function TestResult({ tested, jobName, seesLog }: { tested: Tested; jobName: string; seesLog: boolean }) {
  const { answer, error } = tested;
  const place = useRef<HTMLDivElement>(null);
  // It comes below the form, which fills the window.
  useEffect(() => place.current?.scrollIntoView({ block: 'nearest' }), [tested]);
  const links = (
    <>
      <Link className="btn small" to="/invocations/$invocation" params={{ invocation: tested.invocationId }}>Open the invocation</Link>
      {seesLog ? <Link className="btn small" to="/jobs/$job/logs" params={{ job: jobName }} search={{ invocation: tested.invocationId }}>Its log</Link> : null}
    </>
  );
  return (
    <Card title={<span className="row">Answer <Badge status={tested.status} /></span>} actions={links}>
      <div className="stack tight" role="status" ref={place}>
        {tested.status === 'running' ? <p>It has not ended yet, and goes on. Its invocation shows what comes of it.</p> : null}
        {tested.matches ? null : <p className="muted">The trigger does not take this: from outside, it would not be started by this event.</p>}
        {tested.leftOut.length === 0 ? null : <p className="muted">Not sent, because it belongs to a connection: {tested.leftOut.join(', ')}.</p>}
        <Facts items={[
          ['Took', duration(tested.durationMs)],
          ['Trigger', tested.triggerName ?? <code key="id">{tested.triggerId}</code>],
          answer == null ? null : ['HTTP status', answer.status],
          answer == null ? null : ['Body', `${bytes(answer.bytes)}${answer.complete ? '' : ' so far'}`],
        ]} />
        {error == null ? null : (
          <div className="note fail"><strong>{error.name ?? error.code}</strong><p className="wrap">{error.message}</p>{error.stack == null ? null : <Code label="Stack" text={error.stack} />}<p className="muted">Code <code>{error.code}</code></p></div>
        )}
        {answer == null ? null : <Answer answer={answer} />}
      </div>
    </Card>
  );
}

function Answer({ answer }: { answer: NonNullable<Tested['answer']> }) {
  const { body } = answer;
  const text = body.text ?? (body.base64 === '' ? '' : `base64:${body.base64}`);
  return (
    <>
      {answer.headers.length === 0 ? null : <Code label="Header fields" text={answer.headers.map((pair) => pair.join(': ')).join('\n')} />}
      {text === '' ? <p className="muted">No body.</p> : <Code label="Body of the answer" text={pretty(text)} />}
      {body.truncated ? <p className="muted">The first 256 KiB are shown.</p> : null}
    </>
  );
}

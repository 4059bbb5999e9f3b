import { useNavigate } from '@tanstack/react-router';
import { publish } from '../api/publish';
import { ActButton } from '../components/act';
import { Card, Code } from '../components/basics';
import { useRights } from '../session/session';
import { sample } from './sample';

/** Publishes the sample job with one click. */
export function SampleButton() {
  const navigate = useNavigate();
  const run = async () => {
    await publish(sample(), { activate: true, force: false }, () => undefined);
    await navigate({ to: '/jobs/$job', params: { job: 'sample' } });
  };
  return <ActButton className="btn primary" run={run} what="The sample could not be published" done="The sample job serves">Publish the sample job</ActButton>;
}

/** What an empty system shows: the way to the first function. */
export function FirstFunction() {
  const rights = useRights();
  const here = window.location.origin;
  return (
    <Card title="Your first function" actions={rights.may('write', 'job', '-', 'publish') ? <SampleButton /> : undefined}>
      <div className="stack">
        <p>Nothing is published yet. Publish the sample to look around, or make a function of your own:</p>
        <Code label="Commands" text={`jobber init hello\njobber login ${here}\njobber publish hello\njobber invoke hello /hello/you\njobber logs hello -f`} />
        <p className="muted">Without the command line: zip a folder that has a package.json at its root, and publish it on the page of jobs.</p>
      </div>
    </Card>
  );
}

import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data, whole } from '../api/client';
import type { DeadLetter, Job, TriggerKind } from '../api/models';
import { deadLettersQuery, jobsQuery } from '../api/queries';
import { useRights } from '../session/session';
import { ActButton, useAct } from './act';
import { Card, Code, Empty, Facts, Kind, Time } from './basics';
import { Confirm, Dialog } from './dialog';
import { Failure, Loaded } from './failure';
import { bytes, pretty } from './format';
import { Table } from './table';

interface Why {
  message?: string;
  reason?: string;
  error?: { name?: string; message?: string; stack?: string };
}
const why = (letter: DeadLetter): Why => (letter.failure ?? {}) as Why;

/** Dead letters of a job, or of all jobs, with what can be done about them. */
export function Letters({ job }: { job: Job | null }) {
  const rights = useRights();
  const jobs = useQuery({ ...jobsQuery, enabled: job === null });
  const [open, setOpen] = useState<DeadLetter | null>(null);
  const [discarding, setDiscarding] = useState(false);
  const query = useInfiniteQuery(deadLettersQuery(job?.id ?? null));
  const all = query.data?.pages.flatMap((page) => page.data) ?? [];
  const path = { params: { path: { job: job?.id ?? '' } } };
  const mayRedrive = job !== null && rights.ofJob(job, 'write', 'dead-letters');
  const mayDiscard = job !== null && rights.ofJob(job, 'delete', 'dead-letters');
  const names = new Map(jobs.data?.map((each) => [each.id, each.name]));
  const opened = open === null ? undefined : job ?? jobs.data?.find((each) => each.id === open.jobId);
  return (
    <>
      <Card title="Dead letters" flush actions={job === null || all.length === 0 ? undefined : <>
        {mayRedrive ? <ActButton className="btn small" run={() => whole(api.POST('/api/job/{job}/dead-letters/redrive', path))} what="They could not be tried again" done="All are due again">Try all again</ActButton> : null}
        {mayDiscard ? <button type="button" className="btn small danger" onClick={() => setDiscarding(true)}>Discard all…</button> : null}
      </>}>
        {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : null}
        {query.data !== undefined && all.length === 0 ? <Empty title="No dead letters">What fails for good, after all its retries, waits here for a person to decide.</Empty> : null}
        {all.length === 0 ? null : (
          <Table label={job === null ? 'Dead letters' : `Dead letters of ${job.name}`} items={all} id={(letter) => letter.id} onOpen={setOpen} columns={[
            { name: 'What', cell: (letter) => <button type="button" className="btn quiet small" onClick={() => setOpen(letter)}><Kind type={letter.type as TriggerKind} label={false} /><span className="clip">{typeof letter.topic === 'string' ? letter.topic : letter.triggerName ?? letter.id.slice(-8)}</span></button> },
            ...(job === null ? [{ name: 'Job', narrow: true, cell: (letter: DeadLetter) => <JobLink name={names.get(letter.jobId)} /> }] : []),
            { name: 'Why', cell: (letter) => <span className="clip bad" title={why(letter).message}>{why(letter).message ?? why(letter).reason ?? '–'}</span> },
            { name: 'Tries', num: true, wide: true, cell: (letter) => Object.entries(letter.tries).map(([name, times]) => `${String(times)} ${name}`).join(', ') },
            { name: 'Size', num: true, wide: true, cell: (letter) => bytes(letter.size) },
            { name: 'Died', narrow: true, cell: (letter) => <Time at={letter.died} /> },
          ]} />
        )}
      </Card>
      {query.hasNextPage ? <button type="button" className="btn" onClick={() => void query.fetchNextPage()}>Load more</button> : null}
      {open === null || opened === undefined ? null : <Letter job={opened} id={open.id} onClose={() => setOpen(null)} />}
      {discarding && job !== null ? (
        <Confirm title={`Discard all dead letters of ${job.name}?`} action="Discard all" danger onClose={() => setDiscarding(false)}
          onConfirm={() => whole(api.DELETE('/api/job/{job}/dead-letters', path)).then(() => query.refetch())}><p>What they were about is lost.</p></Confirm>
      ) : null}
    </>
  );
}

function JobLink({ name }: { name: string | undefined }) {
  return name === undefined ? <span className="muted">–</span> : <Link to="/jobs/$job/dead-letters" params={{ job: name }}>{name}</Link>;
}

function Letter({ job, id, onClose }: { job: Job; id: string; onClose: () => void }) {
  const rights = useRights();
  const act = useAct();
  const path = { params: { path: { job: job.id, id } } };
  const query = useQuery({ queryKey: ['job', job.id, 'dead-letter', id], queryFn: () => data(api.GET('/api/job/{job}/dead-letters/{id}', path)) });
  const after = (worked: boolean) => { if (worked) onClose(); };
  return (
    <Dialog title="A dead letter" big onClose={onClose}>
      <Loaded query={query}>
        {(letter) => (
          <div className="stack">
            <Facts items={[['Trigger', letter.triggerName ?? letter.type], ['Made', <Time key="m" at={letter.created} />], ['Died', <Time key="d" at={letter.died} />], ['Why', <span key="w" className="bad">{why(letter).message ?? '–'}</span>], ['Reason', why(letter).reason ?? '–']]} />
            {why(letter).error?.stack ? <Code label="Stack" text={why(letter).error?.stack ?? ''} /> : null}
            <Code label="Input" text={pretty(letter.input)} />
            {letter.text ? <Code label="Payload" text={pretty(letter.text)} /> : letter.payload === '' ? null : <p className="muted">The payload is no text ({bytes(letter.size)}).</p>}
          </div>
        )}
      </Loaded>
      <footer>
        {rights.ofJob(job, 'delete', 'dead-letters') ? <button type="button" className="btn danger" onClick={() => void act('It could not be discarded', () => whole(api.DELETE('/api/job/{job}/dead-letters/{id}', path)), 'It is discarded').then(after)}>Discard</button> : null}
        {rights.ofJob(job, 'write', 'dead-letters') ? <button type="button" className="btn primary" onClick={() => void act('It could not be tried again', () => whole(api.POST('/api/job/{job}/dead-letters/{id}/redrive', path)), 'It is due again').then(after)}>Try again</button> : null}
      </footer>
    </Dialog>
  );
}

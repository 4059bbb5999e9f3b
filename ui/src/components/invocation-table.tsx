import { Link, useNavigate } from '@tanstack/react-router';
import type { Invocation } from '../api/models';
import { Badge, Kind, Time } from './basics';
import { bytes, duration } from './format';
import { Table } from './table';

/** Attempts as lines; with the job where several jobs' stand together. */
export function InvocationTable({ items, jobName }: { items: readonly Invocation[]; jobName?: (id: string) => string }) {
  const navigate = useNavigate();
  return (
    <Table label="Invocations" items={items} id={(item) => `${item.id}-${item.attempt}`}
      onOpen={(item) => void navigate({ to: '/invocations/$invocation', params: { invocation: item.id } })}
      columns={[
        { name: 'Outcome', narrow: true, cell: (item) => <Badge status={item.status} /> },
        ...(jobName === undefined ? [] : [{ name: 'Job', narrow: true, wide: true, cell: (item: Invocation) => jobName(item.jobId) }]),
        { name: 'What', cell: (item) => (
          <Link className="clip" to="/invocations/$invocation" params={{ invocation: item.id }} title={item.subject}><Kind type={item.type as 'http'} label={false} /> {item.subject}</Link>
        ) },
        { name: 'Error', wide: true, cell: (item) => <span className="clip brief muted" title={item.error?.message}>{item.error === null || item.error === undefined ? '' : `${item.error.name ?? item.error.code}: ${item.error.message}`}</span> },
        { name: 'Status', num: true, wide: true, cell: (item) => item.httpStatus ?? '' },
        { name: 'Try', num: true, wide: true, cell: (item) => item.attempt },
        { name: 'Answer', num: true, wide: true, cell: (item) => (item.outputBytes == null ? '' : bytes(item.outputBytes)) },
        { name: 'Took', num: true, cell: (item) => <>{duration(item.durationMs)}{item.coldStart ? <span className="muted" title="had to wait for a new runner"> cold</span> : null}</> },
        { name: 'When', narrow: true, cell: (item) => <Time at={item.queued} /> },
      ]} />
  );
}

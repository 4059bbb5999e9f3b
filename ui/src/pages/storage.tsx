import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { jobsQuery, storageQuery } from '../api/queries';
import { Card, Empty } from '../components/basics';
import { Loaded } from '../components/failure';
import { bytes, count, percent, plural } from '../components/format';
import { Table } from '../components/table';

/** How much jobs keep, and how much room is left. The largest come first. */
export function Storage() {
  const storage = useQuery(storageQuery);
  const jobs = useQuery(jobsQuery);
  const names = new Map(jobs.data?.map((job) => [job.id, job.name]));
  return (
    <Card title="Storage by job" flush>
      <Loaded query={storage}>
        {({ disk, jobs: all, logEstimated, invocationsEstimated }) => {
          const rows = all
            .map((of) => ({ ...of, total: of.archiveBytes + of.logBytes + of.invocationBytes + of.storeBytes + of.deliveryBytes }))
            .toSorted((one, two) => two.total - one.total);
          return (
            <>
              {disk == null ? null : <p className="line">The data folder has {bytes(disk.freeBytes)} of {bytes(disk.totalBytes)} left ({percent(disk.totalBytes === 0 ? null : disk.freeBytes / disk.totalBytes)}).</p>}
              {rows.length === 0 ? <Empty title="No job">What jobs keep is shown here.</Empty> : (
                <Table label="Storage by job" items={rows} id={(row) => row.jobId} columns={[
                  { name: 'Job', cell: (row) => <JobLink name={names.get(row.jobId)} /> },
                  { name: 'Archives', num: true, cell: (row) => <span title={plural(row.versions, 'version')}>{bytes(row.archiveBytes)}</span> },
                  { name: logEstimated ? 'Log, about' : 'Log', num: true, cell: (row) => <span title={plural(row.logLines, 'line')}>{bytes(row.logBytes)}</span> },
                  { name: invocationsEstimated ? 'Invocations, about' : 'Invocations', num: true, cell: (row) => <span title={plural(row.invocations, 'attempt')}>{bytes(row.invocationBytes)}</span> },
                  { name: 'Store', num: true, wide: true, cell: (row) => <span title={plural(row.storeItems, 'item')}>{bytes(row.storeBytes)}</span> },
                  { name: 'Durable queue', num: true, wide: true, cell: (row) => <span title={`${count(row.deliveries)} deliveries`}>{bytes(row.deliveryBytes)}</span> },
                  { name: 'All', num: true, cell: (row) => <strong>{bytes(row.total)}</strong> },
                ]} />
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function JobLink({ name }: { name: string | undefined }) {
  return name === undefined ? <span className="muted">–</span> : <Link to="/jobs/$job" params={{ job: name }}>{name}</Link>;
}

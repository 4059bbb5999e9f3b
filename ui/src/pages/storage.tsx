import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { jobsQuery, queueQuery, versionsQuery } from '../api/queries';
import { Card, Empty } from '../components/basics';
import { bytes } from '../components/format';
import { Table } from '../components/table';
import { useRights } from '../session/session';

/** Jobs beyond these are not asked for: each costs two requests. */
const MOST = 60;

/** How much jobs keep, as far as the API tells: archives, and what waits in the durable queue. The largest come first. */
export function Storage() {
  const rights = useRights();
  const jobs = useQuery({ ...jobsQuery, enabled: rights.some('read', 'job', '*') });
  const some = (jobs.data ?? []).slice(0, MOST);
  const versions = useQueries({ queries: some.map((job) => ({ ...versionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'versions', '*') })) });
  const queues = useQueries({ queries: some.map((job) => ({ ...queueQuery(job.id), enabled: rights.ofJob(job, 'read', 'queue') })) });
  const rows = some
    .map((job, index) => {
      const all = versions[index]?.data;
      return { job, versions: all?.length, archives: all?.reduce((sum, version) => sum + version.packedBytes, 0), queue: queues[index]?.data?.bytes };
    })
    .toSorted((one, two) => (two.archives ?? 0) + (two.queue ?? 0) - (one.archives ?? 0) - (one.queue ?? 0));
  return (
    <Card title="Storage by job" flush>
      {rows.length === 0 ? <Empty title="No job">What jobs keep is shown here.</Empty> : (
        <Table label="Storage by job" items={rows} id={(row) => row.job.id} columns={[
          { name: 'Job', cell: (row) => <Link to="/jobs/$job" params={{ job: row.job.name }}>{row.job.name}</Link> },
          { name: 'Versions', num: true, cell: (row) => row.versions ?? '–' },
          { name: 'Archives', num: true, cell: (row) => bytes(row.archives) },
          { name: 'Durable queue', num: true, cell: (row) => bytes(row.queue) },
        ]} />
      )}
    </Card>
  );
}

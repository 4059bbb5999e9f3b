import { useQuery } from '@tanstack/react-query';
import { unreadableQuery } from '../../api/queries';
import { useRights } from '../../session/session';
import { useJob } from './context';

/** Says which versions can not be served, because they were published when more was allowed than today; all of the job's, or one. */
export function UnreadableVersions({ only }: { only?: string | null | undefined }) {
  const job = useJob();
  const found = useQuery({ ...unreadableQuery(job.id), enabled: useRights().ofJob(job, 'read', 'actions') });
  const shown = (found.data ?? []).filter((each) => only === undefined || each.versionId === only);
  return shown.map((each) => (
    <div key={each.id} className="note fail" role="alert">
      <strong>Version {each.version} can not be served: its package.json is not allowed any more</strong>
      <ul>{each.problems.map((problem) => <li key={problem.pointer + problem.message} className="wrap"><code>{problem.pointer}</code> {problem.message}</li>)}</ul>
      <p className="muted">Publish another version without this, and activate it.</p>
    </div>
  ));
}

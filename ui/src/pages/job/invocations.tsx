import { useSearch } from '@tanstack/react-router';
import { InvocationBrowser } from '../../components/invocation-browser';
import { useJob } from './context';

export function JobInvocations() {
  const job = useJob();
  const search = useSearch({ from: '/app/jobs/$job/invocations' });
  return <InvocationBrowser job={job} search={search} />;
}

import { useSearch } from '@tanstack/react-router';
import { PageHead } from '../components/basics';
import { InvocationBrowser } from '../components/invocation-browser';
import { useTitle } from '../components/title';

export function Invocations() {
  useTitle('Invocations');
  const search = useSearch({ from: '/app/invocations' });
  return <><PageHead title="Invocations" about="Every attempt of every job, the newest first." /><InvocationBrowser job={null} search={search} /></>;
}

import { createContext, use } from 'react';
import type { Job } from '../../api/models';

/** The job whose page this is. */
export const JobContext = createContext<Job | null>(null);

export function useJob(): Job {
  const job = use(JobContext);
  if (job === null) throw new Error('this belongs on the page of a job');
  return job;
}

import { Letters } from '../../components/letters';
import { useJob } from './context';

export function JobDeadLetters() {
  return <Letters job={useJob()} />;
}

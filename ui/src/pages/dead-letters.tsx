import { PageHead } from '../components/basics';
import { Letters } from '../components/letters';
import { useTitle } from '../components/title';

export function DeadLetters() {
  useTitle('Dead letters');
  return (
    <>
      <PageHead title="Dead letters" about="What failed for good, after all its retries. It waits until a person decides." />
      <div className="stack"><Letters job={null} /></div>
    </>
  );
}

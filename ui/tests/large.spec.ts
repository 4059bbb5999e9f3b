import { execFileSync } from 'node:child_process';
import { api } from './support/api';
import { archive } from './support/packages';
import { expect, settled, signIn, test } from './support/panel';

const INVOCATIONS = 100_000;
const LINES = 1_000_000;
/** What a person takes for at once, in milliseconds. It is written down, and judged by whoever reads the run. */
const AT_ONCE = 300;

/** Rows as the server writes them, of today, so that no day's partition is missing. */
function fill(job: string, version: string, trigger: string): void {
  const id = (at: string, number: string) =>
    `(lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(${number} % 4096), 3, '0') || '8' || lpad(to_hex(${number}::bigint), 15, '0'))::uuid`;
  const start = `greatest(date_trunc('day', now() at time zone 'utc') at time zone 'utc', now() - interval '6 hours')`;
  const at = (of: number) => `${start} + (now() - ${start}) * (n::float8 / ${of})`;
  const sql = `
    insert into invocations (id, attempt, job_id, version_id, trigger_id, trigger_name, kind, subject, status, queued_at, started_at, ended_at,
      input_bytes, output_bytes, http_status, error_code, error_name, error_message, server_id, captured)
    select ${id('at', 'n')}, 1, '${job}', '${version}', '${trigger}', 'call', 'http', 'GET /large/' || n, case when n % 50 = 7 then 'failed' else 'succeeded' end,
      at, at, at + (random() * 200) * interval '1 millisecond', 0, 20, case when n % 50 = 7 then null else 200 end,
      case when n % 50 = 7 then 'function-failed' end, case when n % 50 = 7 then 'Error' end, case when n % 50 = 7 then 'number ' || n end, gen_random_uuid(), false
    from (select n, ${at(INVOCATIONS)} as at from generate_series(1, ${INVOCATIONS}) n) made;
    insert into runner_logs (job_id, version_id, time, stream, level, message)
    select '${job}', '${version}', ${at(LINES)}, 'stdout', 'info', 'line ' || n || case when n % 100000 = 0 then ' needle' else ' of many that a talkative function writes' end
    from generate_series(1, ${LINES}) n;
    analyze invocations; analyze runner_logs;`;
  execFileSync('psql', [process.env.JOBBER_DATABASE ?? '', '-v', 'ON_ERROR_STOP=1', '-q', '-c', sql], { stdio: ['ignore', 'ignore', 'inherit'] });
}

interface Seen {
  selector: string;
  count: number;
  /** What the first of them says. */
  text: string;
}

/** Runs in the page: notes when something is clicked, chosen or typed, and when exactly so many elements are there after that. */
function watch({ selector, count, text }: Seen): void {
  (window as unknown as { shown: Promise<number> }).shown = new Promise((done) => {
    const begin = () => {
      for (const kind of ['click', 'change', 'input']) removeEventListener(kind, begin, true);
      const begun = performance.now();
      const look = () => {
        const found = document.querySelectorAll(selector);
        if (found.length === count && (found[0]?.textContent ?? '').includes(text)) done(Math.round(performance.now() - begun));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    };
    for (const kind of ['click', 'change', 'input']) addEventListener(kind, begin, true);
  });
}

test('a job with 100,000 invocations and 1,000,000 log lines stays fluid', async ({ page }, info) => {
  test.setTimeout(300_000);
  await api().publish(archive({ name: 'large' }));
  const job = await api().get<{ data: { id: string; jobVersionId: string } }>('/api/job/large');
  const triggers = await api().get<{ data: { id: string; name: string }[] }>('/api/job/large/triggers:current');
  fill(job.data.id, job.data.jobVersionId, triggers.data.find((trigger) => trigger.name === 'call')?.id ?? '');
  await signIn(page);
  await page.goto('/jobs/large');
  await settled(page);
  const took: Record<string, number> = {};
  // From the page's own click or change to the frame that shows what was asked for: the browser's clock, not the test's.
  const measure = async (what: string, act: () => Promise<void>, seen: Seen) => {
    await page.evaluate(watch, seen);
    await act();
    took[what] = await page.evaluate(() => (window as unknown as { shown: Promise<number> }).shown);
  };
  const tabs = page.getByRole('navigation', { name: 'Pages of large' });
  const row = '[aria-label="Invocations"] tbody tr';
  const line = '[role="log"] li';
  await measure('list invocations', () => tabs.getByText('Invocations').click(), { selector: row, count: 100, text: '' });
  await measure('filter failures', async () => void (await page.getByLabel('Outcome', { exact: true }).selectOption('failed')), { selector: row, count: 100, text: 'number' });
  await measure('more of them', () => page.getByRole('button', { name: 'Load 100 more' }).click(), { selector: row, count: 200, text: 'number' });
  await measure('open the log', () => tabs.getByText('Logs').click(), { selector: line, count: 200, text: '' });
  await measure('older lines', () => page.getByRole('button', { name: 'Older lines' }).click(), { selector: line, count: 400, text: '' });
  await measure('filter the log', () => page.getByLabel('Text in the message').fill('needle'), { selector: line, count: 1, text: 'needle' });
  await expect(page.locator(line)).toHaveCount(10);
  const slow = Object.entries(took).filter(([, ms]) => ms > AT_ONCE).map(([what]) => what);
  const text = `${Object.entries(took).map(([what, ms]) => `${what}: ${ms} ms`).join(', ')}; over ${AT_ONCE} ms: ${slow.join(', ') || 'none'}`;
  info.annotations.push({ type: 'how long it took', description: text });
  console.log(`    ${text}`);
});

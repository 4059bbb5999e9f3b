import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { api } from './support/api';
import { archive } from './support/packages';
import { expect, settled, signIn, test } from './support/panel';

const INVOCATIONS = 100_000;
const LINES = 1_000_000;
/** What a person takes for at once, in milliseconds. It is written down, and judged by whoever reads the run. */
const AT_ONCE = 300;
/** A job with as many invocations as one part of the list has, to compare with. */
const FEW = 100;
const ROUNDS = 5;
/** The large job may take so many times as long as the small one, and so many milliseconds more: however fast the machine is. */
const TIMES = 3;
const BESIDES = 200;

/** How `psql` is told where the database is: in its environment, since arguments can be read by everybody. */
function environment(): NodeJS.ProcessEnv {
  const url = new URL(process.env.JOBBER_DATABASE ?? '');
  return {
    ...process.env,
    PGHOST: url.searchParams.get('host') ?? decodeURIComponent(url.hostname), PGPORT: url.port || '5432',
    PGUSER: decodeURIComponent(url.username), PGPASSWORD: decodeURIComponent(url.password), PGDATABASE: decodeURIComponent(url.pathname.slice(1)),
  };
}

/** Rows as the server writes them, of today, so that no day's partition is missing. */
async function fill({ id: job, jobVersionId: version }: Published, trigger: string, invocations: number, lines: number): Promise<void> {
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
    from (select n, ${at(invocations)} as at from generate_series(1, ${invocations}) n) made;
    insert into runner_logs (job_id, version_id, time, stream, level, message)
    select '${job}', '${version}', ${at(lines)}, 'stdout', 'info', 'line ' || n || case when n % 100000 = 0 then ' needle' else ' of many that a talkative function writes' end
    from generate_series(1, ${lines}) n;
    analyze invocations; analyze runner_logs;`;
  const running = promisify(execFile)('psql', ['-v', 'ON_ERROR_STOP=1', '-q', '-f', '-'], { env: environment() });
  running.child.stdin?.end(sql);
  await running;
}

interface Published {
  id: string;
  jobVersionId: string;
}

/** Publishes a job and fills it with what happened. */
async function furnish(name: string, invocations: number, lines: number): Promise<void> {
  await api().publish(archive({ name }));
  const job = await api().get<{ data: Published }>(`/api/job/${name}`);
  const triggers = await api().get<{ data: { id: string; name: string }[] }>(`/api/job/${name}/triggers:current`);
  await fill(job.data, triggers.data.find((trigger) => trigger.name === 'call')?.id ?? '', invocations, lines);
}

interface Seen {
  selector: string;
  /** How many of them there are then, or the fewest that there are. */
  count: number | { least: number };
  /** What the first of them says. */
  text: string;
}

/** Runs in the page: notes when something is clicked, chosen or typed, and when so many elements are there after that. */
function watch({ selector, count, text }: Seen): void {
  (window as unknown as { shown: Promise<number> }).shown = new Promise((done, fail) => {
    setTimeout(() => fail(new Error(`in vain: ${JSON.stringify(count)} of ${selector} with ${JSON.stringify(text)}`)), 30_000);
    const enough = (found: number) => (typeof count === 'number' ? found === count : found >= count.least);
    const begin = () => {
      for (const kind of ['click', 'change', 'input']) removeEventListener(kind, begin, true);
      const begun = performance.now();
      const look = () => {
        const found = document.querySelectorAll(selector);
        if (enough(found.length) && (found[0]?.textContent ?? '').includes(text)) done(Math.round(performance.now() - begun));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    };
    for (const kind of ['click', 'change', 'input']) addEventListener(kind, begin, true);
  });
}

/** From the page's own click or change to the frame that shows what was asked for, in milliseconds: the browser's clock, not the test's. */
async function measured(page: Page, act: () => Promise<unknown>, seen: Seen): Promise<number> {
  await page.evaluate(watch, seen);
  await act();
  return page.evaluate(() => (window as unknown as { shown: Promise<number> }).shown);
}

const median = (values: readonly number[]): number => values.toSorted((one, two) => one - two)[Math.floor(values.length / 2)] ?? 0;
const row = '[aria-label="Invocations"] tbody tr';
const line = '[role="log"] li';
const tabs = (page: Page, job: string) => page.getByRole('navigation', { name: `Pages of ${job}` });

test('a job with 100,000 invocations and 1,000,000 log lines stays fluid', async ({ page }, info) => {
  test.setTimeout(300_000);
  await furnish('large', INVOCATIONS, LINES);
  await furnish('small', FEW, FEW);
  await signIn(page);
  const told = (what: string) => {
    info.annotations.push({ type: 'how long it took', description: what });
    console.log(`    ${what}`);
  };

  const times: Record<string, number[]> = { 'list of small': [], 'list of large': [], 'filter of small': [], 'filter of large': [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [job, failed] of [['small', 2], ['large', 100]] as const) {
      // A fresh page remembers nothing of the round before.
      await page.goto(`/jobs/${job}`);
      await settled(page);
      times[`list of ${job}`]?.push(await measured(page, () => tabs(page, job).getByText('Invocations').click(), { selector: row, count: 100, text: '' }));
      times[`filter of ${job}`]?.push(await measured(page, () => page.getByLabel('Outcome', { exact: true }).selectOption('failed'), { selector: row, count: failed, text: 'number' }));
    }
  }
  const medians = Object.fromEntries(Object.entries(times).map(([what, of]) => [what, median(of)]));
  told(`medians of ${ROUNDS}: ${Object.entries(medians).map(([what, ms]) => `${what} ${ms} ms`).join(', ')}`);
  for (const what of ['list', 'filter']) {
    expect(medians[`${what} of large`], `the ${what}, compared with a job of ${FEW} invocations`).toBeLessThanOrEqual((medians[`${what} of small`] ?? 0) * TIMES + BESIDES);
  }

  await page.goto('/jobs/large');
  await settled(page);
  const took: Record<string, number> = {};
  const measure = async (what: string, act: () => Promise<unknown>, seen: Seen) => { took[what] = await measured(page, act, seen); };
  await measure('chart of 100,000', () => tabs(page, 'large').getByText('Invocations').click(), { selector: '[data-chart="points"]', count: 1, text: 'of 100K attempts' });
  await measure('more rows', () => page.getByRole('button', { name: 'Load 100 more' }).click(), { selector: row, count: 200, text: '' });
  await measure('open the log', () => tabs(page, 'large').getByText('Logs').click(), { selector: line, count: 200, text: '' });
  await measure('older lines', () => page.getByRole('button', { name: 'Older lines' }).click(), { selector: line, count: 400, text: '' });
  // How many of the ten are among the last lines, which are shown first, depends on how long the day is already.
  await measure('filter the log', () => page.getByLabel('Text in the message').fill('needle'), { selector: line, count: { least: 1 }, text: 'needle' });
  await expect(page.locator(line)).toHaveCount(10);
  const slow = Object.entries(took).filter(([, ms]) => ms > AT_ONCE).map(([what]) => what);
  told(`${Object.entries(took).map(([what, ms]) => `${what}: ${ms} ms`).join(', ')}; over ${AT_ONCE} ms: ${slow.join(', ') || 'none'}`);
});

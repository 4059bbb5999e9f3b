/** What changes is told by the server, and nothing is asked for while nothing changes. */
import type { Page } from '@playwright/test';
import { api } from './support/api';
import { archive } from './support/packages';
import { expect, settled, signIn, test } from './support/panel';

const call = (path: string) => fetch(`${process.env.JOBBER_GATEWAY}${path}`);

/** How often the page has asked for something below this path. */
function asked(page: Page, path: string): () => number {
  let count = 0;
  page.on('request', (request) => { if (new URL(request.url()).pathname === path) count += 1; });
  return () => count;
}

test.beforeEach(async ({ page }) => {
  await signIn(page);
});

test('what is called shows up in the job’s invocations, and its runner among the runners', async ({ page, context }) => {
  await api().publish(archive({ name: 'lively', action: { runnerMinCount: 0 } }));
  await page.goto('/jobs/lively/invocations');
  await expect(page.getByText('No invocation yet')).toBeVisible();
  const runners = await context.newPage();
  await runners.goto('/runners');
  await settled(runners);
  const own = runners.getByRole('row').filter({ hasText: 'lively' });
  // Those that tried the version out end: nobody else has asked for them.
  for (const { id } of (await api().get<{ data: { id: string }[] }>('/api/job/lively/runners')).data) await api().delete(`/api/job/lively/runners/${id}`);
  await expect(own).toHaveCount(0);
  await call('/lively?one');
  await expect(own).toHaveCount(1);
  await expect(page.getByRole('region', { name: 'Invocations' }).getByRole('row').filter({ hasText: '/lively' })).toHaveCount(1);
});

test('a page asks again after a change of its own job, and not after those of others', async ({ page }) => {
  for (const name of ['quiet', 'noisy']) await api().publish(archive({ name }));
  const { data: quiet } = await api().get<{ data: { id: string } }>('/api/job/quiet');
  const of = asked(page, `/api/job/${quiet.id}/environment`);
  const stream = page.waitForResponse('**/api/events');
  await page.goto('/jobs/quiet/environment');
  await stream;
  await settled(page);
  const set = (job: string, name: string) => api().post(`/api/job/${job}/environment/${name}`, { type: 'text', value: '1' });
  await set('quiet', 'FIRST');
  await expect(page.getByText('FIRST')).toBeVisible();
  const before = of();
  for (let number = 0; number < 10; number += 1) await set('noisy', `OTHER_${number}`);
  await set('quiet', 'SECOND');
  await expect(page.getByText('SECOND')).toBeVisible();
  // One change of its own may be told in two parts.
  expect(of() - before).toBeLessThanOrEqual(2);
});

test('a job whose only version can not be imported needs attention at once, and none once it serves', async ({ page }) => {
  const stream = page.waitForResponse('**/api/events');
  await page.goto('/');
  await stream;
  await settled(page);
  const matter = page.getByRole('listitem').filter({ hasText: 'stillborn' }).filter({ hasText: '1.0.0 could not be imported' });
  await expect(matter).toHaveCount(0);
  await expect(api().publish(archive({ name: 'stillborn', code: "throw new Error('no DSN');" }))).rejects.toThrow('import-failed');
  await expect(matter).toBeVisible();
  await page.goto('/jobs');
  await expect(page.getByRole('row').filter({ hasText: 'stillborn' })).toContainText('import failed');
  await api().publish(archive({ name: 'stillborn', version: '1.0.1' }));
  await expect(page.getByRole('row').filter({ hasText: 'stillborn' })).toContainText('enabled');
  await page.goto('/');
  await settled(page);
  await expect(matter).toHaveCount(0);
});

test('a stream that is lost is told, and gone on with', async ({ page }) => {
  let lost = true;
  await page.route('**/api/events', (route) => (lost ? route.abort() : route.continue()));
  await page.goto('/users');
  await expect(page.getByText('Not live')).toBeVisible();
  await api().post('/api/users', { username: 'late', password: 'correct horse battery', permissions: [] });
  lost = false;
  await expect(page.getByText('Not live')).toHaveCount(0);
  await expect(page.getByRole('cell', { name: 'late' })).toBeVisible();
});

import { type Page } from '@playwright/test';
import { api } from './support/api';
import { archive } from './support/packages';
import { expect, findings, settled, signIn, test } from './support/panel';

/** A job of the test's own, so that tests do not disturb each other. */
async function job(name: string, parts: Partial<Parameters<typeof archive>[0]> = {}): Promise<void> {
  await api().publish(archive({ name, ...parts }));
}

const call = (path: string, init?: RequestInit) => fetch(`${process.env.JOBBER_GATEWAY}${path}`, init);

async function choose(page: Page, blob: Blob, name: string): Promise<void> {
  await page.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/zip', buffer: Buffer.from(await blob.arrayBuffer()) });
}

test.beforeEach(async ({ page }) => {
  await signIn(page);
});

test('a package is published, another version takes over, and is rolled back', async ({ page }) => {
  await page.goto('/jobs');
  await page.getByRole('button', { name: 'Publish' }).click();
  await choose(page, archive({ name: 'deploys' }), 'deploys.zip');
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  await expect(page.getByText('A new version was published, and it serves.')).toBeVisible();
  await page.getByRole('link', { name: 'Open deploys' }).click();
  await page.getByRole('link', { name: 'Versions' }).click();
  await page.getByRole('button', { name: 'Upload a version' }).click();
  await choose(page, archive({ name: 'deploys', version: '1.1.0', action: { runnerMaxCount: 5 } }), 'deploys.zip');
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  const row = (version: string) => page.getByRole('row').filter({ has: page.getByText(version, { exact: true }) });
  await expect(row('1.1.0').getByText('active')).toBeVisible();
  await row('1.1.0').getByRole('button', { name: 'Changes' }).click();
  await expect(page.getByRole('dialog').getByText('action.runnerMaxCount')).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'package.json' }).click();
  const lines = page.getByRole('dialog').getByRole('region', { name: 'What changed in package.json' });
  await expect(lines.locator('del').first()).toContainText('1.0.0');
  await expect(lines.locator('ins').first()).toContainText('1.1.0');
  expect(await findings(page)).toEqual([]);
  await page.keyboard.press('Escape');
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download 1.1.0' }).click();
  expect((await saved).suggestedFilename()).toBe('deploys-1.1.0.zip');
  await row('1.0.0').getByRole('button', { name: 'Roll back' }).click();
  await expect(row('1.0.0').getByText('active')).toBeVisible();
  await row('1.1.0').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(row('1.1.0')).toHaveCount(0);
});

test('a package that is none is refused with cause and next step', async ({ page }) => {
  await page.goto('/jobs?publish=yes');
  await choose(page, new Blob(['no zip']), 'wrong.zip');
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  const alert = page.getByRole('alert');
  await expect(alert.getByText('archive-not-a-zip')).toBeVisible();
  await expect(alert).toContainText('zip');
});

test('the sample job is one click away where nothing is published', async ({ page }) => {
  // This server has jobs; the page is shown what an empty one would answer until the sample is there.
  let published = false;
  await page.route('**/api/job?**', async (route) => (published ? route.continue() : route.fulfill({ json: { success: true, data: [], next: null } })));
  await page.goto('/');
  await expect(page.getByText('jobber publish hello')).toBeVisible();
  page.on('response', (response) => { if (response.url().includes('/api/job/publish')) published = true; });
  await page.getByRole('button', { name: 'Publish the sample job' }).click();
  await expect(page).toHaveURL(/jobs\/sample/);
  const answer = await call('/sample/hello/you');
  expect(await answer.json()).toEqual({ hello: 'you' });
});

test('variables are set, pasted, masked and removed', async ({ page }) => {
  await job('variables');
  await page.goto('/jobs/variables/environment');
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByLabel('Name').fill('api_key');
  await page.getByLabel('Value').fill('very secret');
  await page.getByRole('button', { name: 'Save' }).click();
  const row = page.getByRole('row').filter({ hasText: 'API_KEY' });
  await expect(row.getByLabel('a secret')).toBeVisible();
  await expect(page.getByText('very secret')).toHaveCount(0);
  await page.getByRole('button', { name: 'Paste a .env' }).click();
  await page.getByLabel('NAME=value, one a line').fill('# comment\nexport ONE=1\nTWO="two words"\n');
  await page.getByLabel('Keep new ones as secrets').uncheck();
  await page.getByRole('button', { name: 'Set 2 variables' }).click();
  await expect(page.getByText('two words')).toBeVisible();
  await page.getByRole('row').filter({ hasText: 'ONE' }).getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'ONE' })).toHaveCount(0);
});

test('a failure is found, edited and done again', async ({ page }) => {
  await job('replays');
  await call('/replays?fail=yes');
  await call('/replays/7', { method: 'POST', body: '{"count":1}', headers: { 'content-type': 'application/json' } });
  await page.goto('/jobs/replays/invocations');
  await page.getByLabel('Outcome').selectOption({ label: 'What went wrong' });
  await expect(page).toHaveURL(/status=failed/);
  await page.getByRole('link', { name: /GET \/replays/ }).first().click();
  await expect(page.getByText('it was asked to fail').first()).toBeVisible();
  await page.getByRole('button', { name: 'Replay', exact: true }).click();
  await expect(page.getByText('Repetition of')).toBeVisible();

  await page.goto('/jobs/replays/invocations?status=succeeded');
  await page.getByRole('link', { name: /POST \/replays\/7/ }).click();
  await page.getByRole('button', { name: 'Edit and replay…' }).click();
  const editor = page.getByRole('textbox', { name: 'Body' });
  await editor.click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('{"count":2}');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Repetition of')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Body of the answer' })).toContainText('"count\\":2');
});

test('all that a filter finds is done again', async ({ page }) => {
  await job('bulk');
  for (let each = 0; each < 3; each += 1) await call(`/bulk?each=${each}`);
  await page.goto('/jobs/bulk/invocations?status=succeeded&type=http');
  await expect(page.getByRole('link', { name: /GET \/bulk/ })).toHaveCount(3);
  await page.getByRole('button', { name: 'Replay these…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
  await expect(page.getByRole('dialog').getByText('3 of 3 dealt with: 3 succeeded')).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await expect(page.getByRole('link', { name: /GET \/bulk/ })).toHaveCount(6);
});

test('dragging over the chart zooms, and the address keeps it', async ({ page }) => {
  await page.goto('/jobs/shop/invocations');
  const plot = page.locator('.u-over');
  await plot.scrollIntoViewIfNeeded();
  await expect(page.getByText(/It shows all \d+ attempts that ended/)).toBeVisible();
  const box = await plot.boundingBox();
  if (box === null) throw new Error('there is no chart');
  const closer = page.waitForRequest(/invocations\/points\?.*from=/);
  await page.mouse.move(box.x + box.width * 0.1, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 22, { steps: 8 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=.*to=/);
  await closer;
  await page.getByRole('button', { name: 'Zoom out' }).click();
  await expect(page).not.toHaveURL(/from=/);
});

test('the log follows what is written, and leads to the invocation', async ({ page }) => {
  await job('talks');
  await call('/talks');
  await page.goto('/jobs/talks/logs');
  await expect(page.getByText('following')).toBeVisible();
  await call('/talks?again');
  await expect(page.getByRole('log').getByText('called /talks')).toHaveCount(2);
  await page.getByLabel('Text in the message').fill('CALLED');
  await expect(page).toHaveURL(/text=CALLED/);
  await expect(page.getByRole('log').getByText('called /talks')).toHaveCount(2);
  await page.getByRole('link', { name: /^Invocation / }).first().click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('GET /talks');
});

test('a schedule is run by hand, and a route is tried out', async ({ page }) => {
  await job('starts');
  await page.goto('/jobs/starts/triggers');
  await page.getByLabel('Method').selectOption('POST');
  await page.getByLabel('Path').fill('/starts/42');
  await expect(page.getByText('id = 42')).toBeVisible();
  await page.getByLabel('Method').selectOption('DELETE');
  await expect(page.getByText(/405/)).toBeVisible();
  await page.getByLabel('Path').fill('/elsewhere');
  await expect(page.getByText(/404/)).toBeVisible();
  const card = page.locator('.card', { hasText: 'yearly' });
  await card.getByRole('button', { name: 'Run now' }).click();
  await expect(card.getByText('by hand')).toBeVisible();
  await card.getByRole('link', { name: 'what came of it' }).click();
  await expect(page.getByText('succeeded').first()).toBeVisible();
});

test('a dead letter is looked at, tried again and discarded', async ({ page }) => {
  await job('mourns');
  await api().post('/api/job/mourns/triggers/broken/run');
  await page.goto('/dead-letters');
  await page.getByRole('row').filter({ hasText: 'mourns' }).getByRole('button', { name: /broken/ }).click();
  await expect(page.getByRole('dialog').getByText('the report can not be written').first()).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('It is due again')).toBeVisible();
  await page.goto('/jobs/mourns/dead-letters');
  await page.getByRole('button', { name: 'Discard all…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard all' }).click();
  await expect(page.getByText('No dead letters')).toBeVisible();
});

test('what is shown of all jobs is asked for once, not of each job', async ({ page }) => {
  const ofOne: string[] = [];
  page.on('request', (request) => { if (/\/api\/job\/[^/?]+\/./.test(request.url())) ofOne.push(request.url()); });
  for (const path of ['/', '/jobs', '/dead-letters', '/settings']) {
    await page.goto(path);
    await settled(page);
    await expect(page.getByText(/shop/).first()).toBeVisible();
  }
  await expect(page.getByText(/The data folder has .* left/)).toBeVisible();
  // Schedules and runners of all jobs have such paths, too.
  expect(ofOne.filter((url) => !/\/api\/job\/(triggers|runners|actions)/.test(url))).toEqual([]);
});

test('a runner is stopped, and another one is killed', async ({ page }) => {
  await job('ends');
  await page.goto('/runners');
  const row = page.getByRole('row').filter({ hasText: 'ends' }).filter({ hasText: 'ready' });
  const id = async () => await row.locator('code').first().innerText();
  const first = await id();
  await row.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText(first)).toHaveCount(0);
  await expect(row).toHaveCount(1);
  const second = await id();
  await row.getByRole('button', { name: 'Kill' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Kill' }).click();
  await expect(page.getByText(second)).toHaveCount(0);
});

test('a job is disabled, enabled and deleted, with its name typed', async ({ page }) => {
  await job('leaves');
  await page.goto('/jobs/leaves/settings');
  await page.getByRole('button', { name: 'Disable' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('disabled');
  await page.getByRole('button', { name: 'Enable' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('enabled');
  await page.getByLabel('Description').fill('It leaves.');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('The description is changed')).toBeVisible();
  await page.getByRole('button', { name: 'Delete…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeDisabled();
  await dialog.getByRole('textbox').fill('leaves');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL(/\/jobs$/);
  await expect(page.getByRole('link', { name: 'leaves', exact: true })).toHaveCount(0);
});

test('what a function keeps is set, changed and removed', async ({ page }) => {
  await job('keeps');
  await page.goto('/jobs/keeps/store');
  await page.getByRole('button', { name: 'Set a key' }).click();
  await page.getByLabel('Key', { exact: true }).fill('cart/7');
  await page.getByRole('textbox', { name: 'Value' }).click();
  await page.keyboard.insertText('{"items":1}');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'cart/7' }).click();
  await expect(page.getByRole('dialog').getByText('"items"')).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByRole('row').filter({ hasText: 'cart/7' }).getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('Nothing is kept here')).toBeVisible();
});

test('an event is sent by the page of tests, with a saved payload', async ({ page }) => {
  await job('tries');
  await call('/tries/1', { method: 'POST', body: '{"first":true}' });
  const triggers = await api().get<{ data: { id: string; name: string }[] }>('/api/job/tries/triggers:current');
  await page.goto(`/test?job=tries&trigger=${triggers.data.find((trigger) => trigger.name === 'send')?.id}`);
  await page.getByRole('textbox', { name: 'Body' }).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('{"saved":true}');
  await page.getByLabel('Name of a saved payload').fill('mine');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.reload();
  await page.getByLabel('Name of a saved payload').fill('mine');
  await page.getByRole('button', { name: 'Load' }).click();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Body of the answer' })).toContainText('saved');
});

test('the palette finds a job by the keyboard alone', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Home');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('shop vers');
  await expect(page.getByRole('option').first()).toContainText('shop versions');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/jobs\/shop\/versions/);
  await page.keyboard.press('/');
  await page.keyboard.type('supervision');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Supervision');
});

test('a version that may not be served any more says why', async ({ page }) => {
  await job('outdated');
  // What a server answers that is stricter than the one which took the package.
  const problems = [{ pointer: '/action/runnerDockerArguments', code: 'invalid-value', message: '--privileged is not understood', severity: 'error' }];
  await page.route(/\/api\/job\/[^/]+\/(actions|triggers:current)/, async (route) => {
    const answer = (await (await route.fetch()).json()) as { data: Record<string, unknown>[] };
    const data = answer.data.map(({ id, jobId, versionId, version, type, name }) => ({ id, jobId, versionId, version, type, name, problems }));
    await route.fulfill({ json: { ...answer, data } });
  });
  for (const path of ['/versions', '/triggers']) {
    await page.goto(`/jobs/outdated${path}`);
    await expect(page.getByRole('alert')).toContainText('Version 1.0.0 can not be served');
    await expect(page.getByRole('alert')).toContainText('--privileged is not understood');
  }
  await page.goto('/jobs/outdated');
  await expect(page.getByText('Nothing starts it')).toBeVisible();
});

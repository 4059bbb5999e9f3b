import { type Page } from '@playwright/test';
import { api } from './support/api';
import { archive } from './support/packages';
import { expect, findings, fits, settled, signIn, test } from './support/panel';

const CODE = (version: string) => `export async function handler(request, response) {
  if (request.type() === 'mqtt') { console.log('got', request.topic(), request.text()); return; }
  if (request.type() === 'schedule') { console.log('due', request.scheduledAt().toISOString()); return; }
  if (request.query('fail') != null) throw new TypeError('it was asked to fail');
  response.header('x-version', '${version}').json({ version: '${version}', id: request.param('id'), name: request.header('x-name'), said: request.text() }, 201);
}
`;

/** A job with two versions, of which the second serves. */
async function job(name: string): Promise<void> {
  const triggers = [
    { type: 'http', name: 'send', method: 'POST', path: `/${name}/:id` },
    { type: 'mqtt', name: 'doors', topics: ['doors/+'], connection: { host: '127.0.0.1', port: '1' } },
    { type: 'schedule', name: 'yearly', cron: '0 0 1 1 *' },
  ];
  const action = { capture: 'errors', runnerMinCount: 0 };
  for (const version of ['1.0.0', '2.0.0']) await api().publish(archive({ name, version, triggers, action, code: CODE(version) }));
}

async function write(page: Page, label: string, text: string): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

const send = (page: Page) => page.getByRole('button', { name: 'Send', exact: true }).click();

test.beforeEach(async ({ page }) => {
  await signIn(page);
});

test('a version that does not serve answers a request that was made up', async ({ page }) => {
  await job('drafts');
  await page.goto('/test?job=drafts');
  await page.getByLabel('Version').selectOption('1.0.0');
  await page.getByLabel('Path and query').fill('/drafts/42?dry=1');
  await page.getByLabel('Header fields, one a line').fill('x-name: Ada');
  await write(page, 'Body', '{"bread":2}');
  await send(page);
  const answer = page.getByRole('region', { name: 'Body of the answer' });
  await expect(answer).toContainText('"version": "1.0.0"');
  await expect(answer).toContainText('"id": "42"');
  await expect(answer).toContainText('"name": "Ada"');
  await expect(answer).toContainText('bread');
  await expect(page.getByText('201', { exact: true })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Header fields' })).toContainText('x-version: 1.0.0');
  await settled(page);
  expect(await findings(page)).toEqual([]);
  await fits(page);
  await page.getByRole('link', { name: 'Open the invocation' }).click();
  await expect(page.getByText('A person has sent its event')).toBeVisible();
});

test('what fails is shown with its stack, and what no route leads to is said', async ({ page }) => {
  await job('breaks');
  await page.goto('/test?job=breaks');
  await page.getByLabel('Path and query').fill('/nowhere?fail=1');
  await send(page);
  await expect(page.getByText('it was asked to fail').first()).toBeVisible();
  await expect(page.getByRole('region', { name: 'Stack' })).toContainText('index.js');
  await expect(page.getByText(/No route or topic of the version leads here/)).toBeVisible();
  await page.getByLabel('Header fields, one a line').fill('no header');
  await send(page);
  await expect(page.getByRole('alert')).toContainText('is no header field');
});

test('a message and an instant are made up without a broker and a clock', async ({ page }) => {
  await job('events');
  await page.goto('/test?job=events');
  await page.getByRole('group', { name: 'Trigger' }).getByRole('button', { name: 'doors' }).click();
  await expect(page.getByLabel('Topic')).toHaveValue('doors/test');
  await write(page, 'Payload', 'open');
  await send(page);
  await expect(page.getByText('succeeded')).toBeVisible();
  await page.getByRole('link', { name: 'Its log' }).click();
  await expect(page.getByText('got doors/test open')).toBeVisible();
  await page.goto('/test?job=events');
  await page.getByRole('group', { name: 'Trigger' }).getByRole('button', { name: 'yearly' }).click();
  await page.getByLabel('Instant').fill('2031-02-03T04:05:06');
  await send(page);
  await expect(page.getByText('succeeded')).toBeVisible();
});

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
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

/** A broker of the test's own, on a port that is free. */
async function startBroker(): Promise<{ port: number; stop: () => Promise<void> }> {
  const port = await new Promise<number>((done, failed) => {
    const probe = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address === null || typeof address === 'string' ? failed(new Error('no port')) : done(address.port)));
    });
  });
  const child = spawn('mosquitto', ['-p', String(port)], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  return { port, stop: async () => { child.kill('SIGTERM'); await ended; } };
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
  await expect(page.getByText(/The trigger does not take this/)).toBeVisible();
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

test('a message is published over the connection of a trigger', async ({ page }) => {
  const broker = await startBroker();
  const triggers = [{ type: 'mqtt', name: 'doors', topics: ['doors/+'], connection: { host: '127.0.0.1', port: String(broker.port) } }];
  await api().publish(archive({ name: 'posts', triggers, code: CODE('1.0.0') }));
  await page.goto('/jobs/posts/triggers');
  await expect(page.getByText('healthy', { exact: true })).toBeVisible();
  await page.getByText('Publish a message').click();
  await expect(page.getByLabel('Topic')).toHaveValue('doors/test');
  await page.getByLabel('Payload').fill('hello');
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.getByText('The broker has acknowledged it.')).toBeVisible();
  await page.getByLabel('Topic').fill('a/#');
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('can not be published on a topic');
  await settled(page);
  expect(await findings(page)).toEqual([]);
  await fits(page);
  await page.getByRole('link', { name: 'Last messages' }).click();
  await expect(page.getByRole('link', { name: /doors\/test/ })).toBeVisible();
  await broker.stop();
});

test('a replay of many is stopped, and what could not be done again is counted', async ({ page }) => {
  const code = `export async function handler(request, response, context) {
    if (request.query('again') != null && await context.getStore('slow') != null) await new Promise((done) => setTimeout(done, 30_000));
    response.text('done');
  }`;
  await api().publish(archive({ name: 'many', code }));
  await fetch(`${process.env.JOBBER_GATEWAY}/many?again=1`);
  await page.goto('/jobs/many/invocations?type=http');
  await expect(page.getByRole('link', { name: /GET \/many/ })).toHaveCount(1);
  await api().put('/api/job/many/store/slow', { value: { text: '1' } });
  await page.getByRole('button', { name: 'Replay these…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Replay', exact: true }).click();
  await expect(dialog.getByText('0 of 1 dealt with')).toBeVisible();
  expect(await findings(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await expect(dialog.getByText('Stopped.')).toBeVisible();
});

test('addresses are those that the operator says clients have', async ({ page }) => {
  await page.route('**/api/auth', async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { data: object };
    await route.fulfill({ response: answer, json: { ...body, data: { ...body.data, gateway: { url: 'https://functions.example.com', port: 3001 } } } });
  });
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/jobs/shop');
  await page.getByRole('button', { name: 'Copy the address' }).first().click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toMatch(/^https:\/\/functions\.example\.com\/shop/);
});

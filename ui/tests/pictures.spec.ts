/** The pictures of docs/pictures.md and the README. They are made by every run; those that are committed are copies of one. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { api } from './support/api';
import { archive } from './support/packages';
import { type Theme, expect, settled, signIn, test, useTheme } from './support/panel';

const OUTPUT = process.env.JOBBER_UI_OUTPUT ?? resolve(import.meta.dirname, '../../target');
const DOCUMENT = resolve(import.meta.dirname, '../../docs/pictures.md');

/** Takes orders: most are quick, some wait for a payment, and some customers have no card. */
const CODE = (version: string) => `const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const TAX = ${version === '1.4.0' ? '0.19' : '0.07'};

export async function handler(request, response) {
  const order = request.json();
  console.log('order', request.param('id'), 'of', order.items, 'items');
  await wait(order.items * 12);
  if (order.card === false) {
    console.error('no card for order', request.param('id'));
    throw new Error('the customer has no card');
  }
  response.json({ order: request.param('id'), total: order.items * 4.5 * (1 + TAX) }, 201);
}
`;

/** Publishes two versions, and has the second one called as customers would. */
async function sell(): Promise<void> {
  const triggers = [
    { type: 'http', name: 'order', method: 'POST', path: '/orders/:id' },
    { type: 'schedule', name: 'nightly report', cron: '0 30 2 * * *', timezone: 'Europe/Berlin' },
  ];
  const action = { capture: 'all', runnerMinCount: 1, runnerMaxCount: 2 };
  for (const version of ['1.3.0', '1.4.0']) await api().publish(archive({ name: 'orders', description: 'Takes orders, and charges cards.', version, triggers, action, code: CODE(version) }));
  const order = async (number: number) => {
    const items = 1 + ((number * 7) % 11);
    await fetch(`${process.env.JOBBER_GATEWAY}/orders/${1000 + number}`, { method: 'POST', body: JSON.stringify({ items, ...(number % 23 === 11 ? { card: false } : {}) }) });
  };
  for (let number = 0; number < 240; number += 6) await Promise.all(Array.from({ length: 6 }, (_, more) => order(number + more)));
}

const taken: string[] = [];

async function take(page: Page, name: string): Promise<void> {
  await settled(page);
  await page.screenshot({ path: resolve(OUTPUT, 'ui-pictures', `${name}.png`) });
  taken.push(name);
}

async function begin(page: Page, theme: Theme, address: string): Promise<void> {
  await useTheme(page, theme);
  await signIn(page);
  await page.goto(address);
}

test.describe('pictures', () => {
  test.describe.configure({ mode: 'serial' });
  test.use({ viewport: { width: 1280, height: 800 } });
  test.beforeAll(sell);

  test('of invocations, and of one that went wrong', async ({ page }) => {
    await begin(page, 'light', '/jobs/orders/invocations');
    await expect(page.locator('[data-chart="points"]')).toBeVisible();
    await take(page, 'invocations');
    const { data } = await api().get<{ data: { id: string }[] }>('/api/job/orders/invocations?status=failed');
    await page.goto(`/invocations/${data[0]?.id}`);
    await expect(page.getByText('the customer has no card').first()).toBeVisible();
    await take(page, 'invocation');
  });

  test('of the first page and of a job', async ({ page }) => {
    test.setTimeout(150_000);
    // Counts are kept by the minute.
    const { data: orders } = await api().get<{ data: { id: string } }>('/api/job/orders');
    const counted = async () => (await api().get<{ data: { jobs: { jobId: string; count: number }[] } }>('/api/metrics/jobs')).data.jobs.find((job) => job.jobId === orders.id)?.count ?? 0;
    await expect.poll(counted, { timeout: 90_000 }).toBeGreaterThanOrEqual(240);
    await begin(page, 'light', '/');
    await expect(page.getByRole('region', { name: 'Invocations' })).toBeVisible();
    await expect(page.locator('.chart canvas')).toBeVisible();
    await take(page, 'home');
    await page.goto('/jobs/orders');
    await take(page, 'job');
  });

  test('of the log and of what is tried out, in the dark', async ({ page }) => {
    await begin(page, 'dark', '/jobs/orders/logs');
    await expect(page.locator('[role="log"] li').first()).toBeVisible();
    await take(page, 'logs');
    await page.goto('/test?job=orders');
    await page.getByLabel('Path and query').fill('/orders/1');
    await page.getByRole('textbox', { name: 'Body', exact: true }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText('{"items": 3}');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('"total"').scrollIntoViewIfNeeded();
    await take(page, 'test');
  });

  test('of what differs between two versions', async ({ page }) => {
    await begin(page, 'light', '/jobs/orders/versions');
    await page.getByRole('row').filter({ hasText: '1.4.0' }).getByRole('button', { name: 'Changes' }).click();
    await page.getByRole('dialog').getByText('index.js').click();
    await expect(page.getByRole('dialog').getByText('0.07').first()).toBeVisible();
    await take(page, 'versions');
  });

  test('of the tree of actors, in the dark, and on a phone', async ({ page }) => {
    await begin(page, 'dark', '/supervision');
    await take(page, 'supervision');
    await page.setViewportSize({ width: 390, height: 800 });
    await page.goto('/jobs/orders');
    await take(page, 'phone');
  });

  test('are those that the document shows', () => {
    const shown = readFileSync(DOCUMENT, 'utf8').matchAll(/\]\(pictures\/([a-z]+)\.png\)/g);
    expect([...shown].map(([, name]) => name).toSorted()).toEqual(taken.toSorted());
  });
});

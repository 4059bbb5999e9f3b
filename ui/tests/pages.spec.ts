import { resolve } from 'node:path';
import { api } from './support/api';
import { type Theme, expect, findings, fits, settled, signIn, test, useTheme } from './support/panel';

const SHOTS = resolve(process.env.JOBBER_UI_OUTPUT ?? resolve(import.meta.dirname, '../../target'), 'ui-screenshots');
const WIDTHS = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } };
const THEMES: Theme[] = ['light', 'dark'];

const PAGES = [
  ['home', '/', 'Home'],
  ['jobs', '/jobs', 'Jobs'],
  ['publish', '/jobs?publish=yes', 'Jobs'],
  ['job', '/jobs/shop', 'shop'],
  ['job-invocations', '/jobs/shop/invocations', 'shop'],
  ['job-logs', '/jobs/shop/logs', 'shop'],
  ['job-metrics', '/jobs/shop/metrics', 'shop'],
  ['job-versions', '/jobs/shop/versions', 'shop'],
  ['job-environment', '/jobs/shop/environment', 'shop'],
  ['job-triggers', '/jobs/shop/triggers', 'shop'],
  ['job-triggers-mqtt', '/jobs/mqtt-echo/triggers', 'mqtt-echo'],
  ['job-dead-letters', '/jobs/shop/dead-letters', 'shop'],
  ['job-store', '/jobs/shop/store', 'shop'],
  ['job-settings', '/jobs/shop/settings', 'shop'],
  ['invocations', '/invocations', 'Invocations'],
  ['test', '/test?job=shop', 'Test'],
  ['dead-letters', '/dead-letters', 'Dead letters'],
  ['runners', '/runners', 'Runners'],
  ['supervision', '/supervision', 'Supervision'],
  ['users', '/users', 'Users'],
  ['tokens', '/tokens', 'API tokens'],
  ['audit', '/audit', 'Audit log'],
  ['settings', '/settings', 'Settings in force'],
  ['account', '/account', 'admin'],
] as const;

for (const theme of THEMES) {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    test.describe(`${theme}, ${width}`, () => {
      test.use({ viewport });

      test('the page to sign in', async ({ page }) => {
        await useTheme(page, theme);
        await page.goto('/');
        await expect(page).toHaveURL(/sign-in/);
        await page.getByText('Signing in for the first time?').click();
        await fits(page);
        expect(await findings(page)).toEqual([]);
        await page.screenshot({ path: `${SHOTS}/${theme}-${width}/sign-in.png`, fullPage: true });
      });

      for (const [name, path, title] of PAGES) {
        test(`${name} is readable`, async ({ page }) => {
          await useTheme(page, theme);
          await signIn(page);
          await page.goto(path);
          await expect(page.getByRole('heading', { level: 1 })).toContainText(title);
          await settled(page);
          await fits(page);
          expect(await findings(page)).toEqual([]);
          await page.screenshot({ path: `${SHOTS}/${theme}-${width}/${name}.png`, fullPage: true });
        });
      }

      test('an invocation is readable', async ({ page }) => {
        await useTheme(page, theme);
        await signIn(page);
        const failed = await api().get<{ data: { id: string }[] }>('/api/job/shop/invocations?status=failed&type=http');
        await page.goto(`/invocations/${failed.data[0]?.id}`);
        await expect(page.getByText('it was asked to fail').first()).toBeVisible();
        await settled(page);
        await fits(page);
        expect(await findings(page)).toEqual([]);
        await page.screenshot({ path: `${SHOTS}/${theme}-${width}/invocation.png`, fullPage: true });
      });
    });
  }
}

test('a part of the panel that is lost on its way is fetched again with the page, once', async ({ page, watch }) => {
  await signIn(page);
  let lost = 0;
  const losing = async (most: number) => {
    lost = 0;
    await page.unroute('**/assets/*.css');
    await page.route('**/assets/*.css', async (route) => {
      // What the page itself begins with comes; what it fetches for this place does not.
      if (route.request().url().includes('/index-') || lost === most) return route.continue();
      lost += 1;
      return route.abort();
    });
  };
  await losing(1);
  await page.goto('/jobs/shop/metrics');
  await expect(page.getByRole('heading', { name: 'shop' })).toBeVisible();
  await settled(page);
  expect(lost).toBe(1);
  await losing(Infinity);
  await page.goto('/jobs/shop/metrics');
  await expect(page.getByText('This page can not be shown')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Load again' })).toBeVisible();
  // What is provoked is told in the browser's console, too.
  expect(watch.faults.filter((fault) => !fault.includes('Unable to preload CSS'))).toEqual([]);
  watch.faults.length = 0;
});

import { resolve } from 'node:path';
import { type Page } from '@playwright/test';
import { type Theme, expect, findings, settled, signIn, test, useTheme } from './support/panel';

const SHOTS = resolve(process.env.JOBBER_UI_OUTPUT ?? resolve(import.meta.dirname, '../../target'), 'ui-screenshots');
const WIDTHS = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } };
const press = (name: string) => (page: Page) => page.getByRole('main').getByRole('button', { name, exact: true }).first().click();

const DIALOGS: readonly (readonly [string, string, (page: Page) => Promise<void>])[] = [
  ['palette', '/', (page) => page.getByRole('button', { name: /Search or jump/ }).click()],
  ['add-user', '/users', press('Add a user')],
  ['make-token', '/tokens', press('Make a token')],
  ['paste-env', '/jobs/shop/environment', press('Paste a .env')],
  ['changes', '/jobs/shop/versions', press('Changes')],
  ['dead-letter', '/jobs/shop/dead-letters', (page) => page.getByRole('main').getByRole('button', { name: /broken/ }).first().click()],
  ['item', '/jobs/shop/store', (page) => page.getByRole('button', { name: 'cart/1' }).click()],
  ['delete-job', '/jobs/shop/settings', press('Delete…')],
  ['audit-entry', '/audit', (page) => page.getByRole('button', { name: /POST/ }).first().click()],
];

for (const theme of ['light', 'dark'] satisfies Theme[]) {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    test.describe(`${theme}, ${width}`, () => {
      test.use({ viewport });

      for (const [name, path, open] of DIALOGS) {
        test(`the dialog ${name} is readable, and Escape closes it`, async ({ page }) => {
          await useTheme(page, theme);
          await signIn(page);
          await page.goto(path);
          await settled(page);
          await open(page);
          await expect(page.getByRole('dialog')).toBeVisible();
          await settled(page);
          expect(await findings(page)).toEqual([]);
          await page.screenshot({ path: `${SHOTS}/${theme}-${width}/dialog-${name}.png` });
          await page.keyboard.press('Escape');
          await expect(page.getByRole('dialog')).toHaveCount(0);
        });
      }

      if (width === 'phone') {
        test('the navigation opens, leads somewhere, and closes', async ({ page }) => {
          await useTheme(page, theme);
          await signIn(page);
          await page.goto('/');
          await page.getByRole('button', { name: 'Navigation', exact: true }).click();
          const menu = page.getByRole('navigation', { name: 'Main' });
          await expect(menu).toBeVisible();
          expect(await findings(page)).toEqual([]);
          await page.screenshot({ path: `${SHOTS}/${theme}-${width}/navigation.png` });
          await menu.getByRole('link', { name: 'Runners' }).click();
          await expect(page.getByRole('heading', { level: 1 })).toContainText('Runners');
          await expect(menu).toBeHidden();
        });
      }
    });
  }
}

import AxeBuilder from '@axe-core/playwright';
import { type Page, test as base, expect } from '@playwright/test';
import { USER } from './seed';

export type Theme = 'light' | 'dark';

/** Faults that a page must not have, whatever is done on it. */
export interface Watch {
  faults: string[];
}

export const test = base.extend<{ watch: Watch }>({
  baseURL: async ({}, use) => {
    await use(process.env.JOBBER_UI_BASE ?? '');
  },
  watch: [async ({ page }, use) => {
    const faults: string[] = [];
    const host = new URL(process.env.JOBBER_UI_BASE ?? '').host;
    page.on('pageerror', (error) => faults.push(`thrown: ${error.message}`));
    page.on('console', (message) => {
      // A refusal that a test provokes is told by the browser, too.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (/^https?:$/.test(url.protocol) && url.host !== host) faults.push(`asked another host: ${request.url()}`);
    });
    await use({ faults });
    expect(faults).toEqual([]);
  }, { auto: true }],
});
export { expect };

/** Signs in by the API, which sets the cookie of the page's browser. */
export async function signIn(page: Page, user = USER): Promise<void> {
  const answer = await page.request.post('/api/auth/login', { data: user });
  expect(answer.ok()).toBe(true);
}

export async function useTheme(page: Page, theme: Theme): Promise<void> {
  await page.addInitScript((chosen) => localStorage.setItem('jobber-theme', chosen), theme);
}

/** Nothing is loading any more. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator('.shell[data-loading="false"]')).toHaveCount(1);
  await expect(page.locator('.loading[role="status"]')).toHaveCount(0);
}

/** What axe finds that is serious or worse, in words. */
export async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze();
  return violations
    .filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
    .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}: ${node.failureSummary ?? ''}`));
}

/** The page fits into the window's width: what is wider scrolls by itself. If it does not, it is said what stands out. */
export async function fits(page: Page): Promise<void> {
  const outside = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const all = Array.from(document.querySelectorAll<HTMLElement>('body *')).filter((one) => one.getBoundingClientRect().right > width);
    return all.map((one) => `${one.tagName}.${one.className} to ${one.getBoundingClientRect().right} of ${width}: ${one.textContent?.slice(0, 60)}`);
  });
  expect(outside, 'what stands out of the window').toEqual([]);
}

import { defineConfig } from '@playwright/test';

/** Where pictures and reports go: beside what cargo builds. */
const target = process.env.JOBBER_UI_OUTPUT ?? '../target';
/** Debian's Chromium; Playwright's own is not downloaded. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** What is done on pages is tried as well in the other theme, at the width of a phone: against a server of its own, since it is done once more. */
const other = process.env.JOBBER_UI_OTHER !== undefined;

export default defineConfig({
  ...(other ? { testMatch: ['actions.spec.ts', 'sending.spec.ts', 'live.spec.ts', 'access.spec.ts'] } : {}),
  testDir: 'tests',
  outputDir: `${target}/ui-tests${other ? '-other' : ''}`,
  globalSetup: './tests/support/server.ts',
  reporter: [['list']],
  timeout: 60_000,
  expect: { timeout: 15_000 },
  fullyParallel: true,
  workers: Number(process.env.JOBBER_UI_WORKERS ?? 2),
  forbidOnly: true,
  retries: 0,
  use: {
    launchOptions: { executablePath, args: ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage'] },
    trace: 'retain-on-failure',
    screenshot: 'on',
    locale: 'en-GB',
    viewport: other ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    colorScheme: other ? 'dark' : 'light',
  },
});

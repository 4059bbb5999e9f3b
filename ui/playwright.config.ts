import { defineConfig } from '@playwright/test';

/** Where pictures and reports go: beside what cargo builds. */
const target = process.env.JOBBER_UI_OUTPUT ?? '../target';
/** Debian's Chromium; Playwright's own is not downloaded. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export default defineConfig({
  testDir: 'tests',
  outputDir: `${target}/ui-tests`,
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
    locale: 'en-GB',
  },
});

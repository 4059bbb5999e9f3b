import { api } from './support/api';
import { expect, findings, settled, signIn, test } from './support/panel';
import { GUEST, USER } from './support/seed';

test('a wrong password is told, the right one leads to where one wanted to go', async ({ page }) => {
  await page.goto('/settings');
  await expect(page).toHaveURL(/sign-in\?next/);
  await page.getByLabel('User name').fill(USER.username);
  await page.getByLabel('Password').fill('not this one');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('wrong-login');
  await page.getByLabel('Password').fill(USER.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Settings in force');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByLabel('User name')).toBeVisible();
  await page.goto('/jobs');
  await expect(page).toHaveURL(/sign-in/);
});

test('a token signs in, too', async ({ page }) => {
  await page.goto('/sign-in');
  await page.getByRole('button', { name: 'Use an API token instead' }).click();
  await page.getByLabel('API token').fill(process.env.JOBBER_TOKEN ?? '');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Home');
  await page.goto('/jobs/shop/logs');
  await expect(page.getByText('following')).toBeVisible();
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export' }).click();
  expect((await saved).suggestedFilename()).toBe('shop.ndjson');
});

test('an address with a token fills it in, and does not keep it', async ({ page }) => {
  await page.goto(`/sign-in#token=${process.env.JOBBER_TOKEN}`);
  await expect(page.getByLabel('API token')).toHaveValue(process.env.JOBBER_TOKEN ?? '');
  expect(page.url()).not.toContain('token');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Home');
});

test('the page says that the first password still waits, and where such passwords are', async ({ page }) => {
  const about = page.getByText('docker compose exec jobber cat /run/secrets/admin-password');
  await page.goto('/sign-in');
  await expect(page.getByText('Signing in for the first time?')).toBeVisible();
  await expect(about).toBeHidden();
  await page.route('**/api/auth/first-start', (route) => route.fulfill({ json: { success: true, data: { firstSignInDue: true } } }));
  await page.goto('/sign-in');
  await expect(page.getByText('Nobody has signed in here yet.')).toBeVisible();
  await expect(about).toBeVisible();
  expect(await findings(page)).toEqual([]);
});

test('an address of another site is not where one is led after the login', async ({ page }) => {
  await page.goto('/sign-in?next=//example.org/');
  await page.getByLabel('User name').fill(USER.username);
  await page.getByLabel('Password').fill(USER.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Home');
});

test('what somebody may not do is not offered', async ({ page }) => {
  await signIn(page, GUEST);
  await page.goto('/jobs');
  await expect(page.getByRole('link', { name: 'shop', exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Publish' })).toHaveCount(0);
  const menu = page.getByRole('navigation', { name: 'Main' });
  for (const hidden of ['Supervision', 'Settings', 'Users', 'API tokens', 'Audit log', 'Test']) await expect(menu.getByText(hidden, { exact: true })).toHaveCount(0);
  await page.goto('/jobs/shop');
  const tabs = page.getByRole('navigation', { name: 'Pages of shop' });
  await expect(tabs.getByText('Versions')).toBeVisible();
  await expect(tabs.getByText('Environment')).toHaveCount(0);
  await tabs.getByText('Versions').click();
  await settled(page);
  for (const hidden of ['Roll back', 'Remove', 'Upload a version']) await expect(page.getByRole('button', { name: hidden })).toHaveCount(0);
  await page.goto('/jobs/shop/triggers');
  await settled(page);
  await expect(page.getByRole('button', { name: 'Run now' })).toHaveCount(0);
  await page.goto('/runners');
  await settled(page);
  await expect(page.getByRole('button', { name: 'Kill' })).toHaveCount(0);
});

test('users are added, changed and removed', async ({ page }) => {
  await signIn(page);
  await page.goto('/users');
  await page.getByRole('button', { name: 'Add a user' }).click();
  await page.getByLabel('User name').fill('ada');
  await page.getByLabel('Password').fill('a long password');
  await page.getByLabel('Begin with').selectOption({ label: 'Publish' });
  await page.getByRole('button', { name: 'Save' }).click();
  const row = page.getByRole('row').filter({ hasText: 'ada' });
  await expect(row).toContainText('job/-/publish: write');
  await row.getByRole('button', { name: 'Disable' }).click();
  await expect(row).toContainText('disabled');
  await row.getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('User name').fill('ada2');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row').filter({ hasText: 'ada2' }).getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('ada2');
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'ada2' })).toHaveCount(0);
  await page.goto('/audit');
  await page.getByRole('button', { name: 'DELETE /api/users/{user}' }).first().click();
  await expect(page.getByRole('dialog')).toContainText('ada2');
});

test('a token is made, shown once, and removed', async ({ page }) => {
  await signIn(page);
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByLabel('What it is for').fill('the test of tokens');
  await page.getByLabel('Begin with').selectOption({ label: 'Only metrics for Prometheus' });
  await page.getByRole('button', { name: 'Make it' }).click();
  const token = await page.getByRole('region', { name: 'Token', exact: true }).innerText();
  const answer = await page.request.fetch(`${process.env.JOBBER_API}/api/metrics`, { headers: { Authorization: `Bearer ${token.trim()}` } });
  expect(answer.status()).toBe(200);
  await page.getByRole('button', { name: 'Done' }).click();
  const row = page.getByRole('row').filter({ hasText: 'the test of tokens' });
  await row.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(row).toHaveCount(0);
});

test('a session that was ended elsewhere leads to the login, and back', async ({ page }) => {
  await api().post('/api/users', { username: 'leaver', password: 'goes soon away', permissions: [{ effect: 'allow', resource: 'job/*', actions: ['read'] }] });
  await signIn(page, { username: 'leaver', password: 'goes soon away' });
  await page.goto('/jobs');
  await expect(page.getByRole('link', { name: 'shop', exact: true })).toBeVisible();
  const users = await api().get<{ data: { id: string; username: string }[] }>('/api/users');
  const id = users.data.find((user) => user.username === 'leaver')?.id;
  await api().put(`/api/users/${id}`, { enabled: false });
  await expect(page).toHaveURL(/sign-in\?next=%2Fjobs/);
});

import type { Api } from './api';
import { archive } from './packages';

export const USER = { username: 'admin', password: 'correct-horse-battery' };
export const GUEST = { username: 'guest', password: 'only-looks-around' };

/** What every page needs to have something to show: users, a job that was called and that failed, and a dead letter. */
export async function seed(api: Api, gateway: string): Promise<void> {
  await api.post('/api/users', { ...USER, permissions: [{ effect: 'allow', resource: '*', actions: ['read', 'write', 'delete'] }] });
  await api.post('/api/users', { ...GUEST, permissions: [
    { effect: 'allow', resource: 'job/*', actions: ['read'] },
    { effect: 'deny', resource: 'job/*/environment', actions: ['read'] },
  ] });
  await api.publish(archive({ name: 'shop', version: '0.9.0' }));
  await api.publish(archive({ name: 'shop', version: '1.0.0', action: { runnerMaxCount: 3 } }));
  for (let call = 0; call < 12; call += 1) await fetch(`${gateway}/shop${call % 5 === 4 ? '?fail=1' : ''}`);
  await fetch(`${gateway}/hello/you`);
  await api.post('/api/job/shop/environment/GREETING', { type: 'text', value: 'hello' });
  await api.post('/api/job/shop/environment/PASSWORD', { type: 'secret', value: 'hidden' });
  await api.put('/api/job/shop/store/cart%2F1', { value: { text: '{"items":3}' } });
  await api.post('/api/job/shop/triggers/broken/run');
}

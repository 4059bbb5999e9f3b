// Schedules: when they were due, and that they have nothing to answer.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scheduleHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

const CLASSIC = `export const handler = async (request, response, context) => {
  const at = request.scheduledAt();
  console.log(JSON.stringify({ type: request.type(), is: at instanceof Date, at, name: request.name(), text: request.text(),
    bytes: request.data().length, response, trigger: context.trigger, attempt: request.attempt(), late: Date.now() > at.getTime() }));
  return { ignored: true };
};`;
const WEB = `export default { scheduled(event, env, context) {
  console.log(JSON.stringify({ ...event, is: event.scheduledAt instanceof Date, same: event.scheduledAt.getTime() === event.scheduledTime, env }));
  return 'ignored';
} };`;

/** @param {import('./support/manager.mjs').Manager} manager @param {string} [at] */
async function due(manager, at) {
  const head = scheduleHead(at);
  head.trigger.name = 'nightly';
  head.attempt = 2;
  const { frames } = await manager.answer(manager.invoke(head));
  assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
  const { body } = await manager.log('{');
  return JSON.parse(body.toString());
}

describe('a schedule', { concurrency: true }, () => {
  it('tells a classic handler when it was due', async (t) => {
    const manager = await serving(t, CLASSIC);
    assert.deepEqual(await due(manager, '2026-03-29T00:59:59.123Z'), {
      type: 'schedule',
      is: true,
      at: '2026-03-29T00:59:59.123Z',
      name: 'nightly',
      text: '',
      bytes: 0,
      response: {},
      trigger: 'nightly',
      attempt: 2,
      late: true,
    });
  });

  it('is an event of the web-standard dialect', async (t) => {
    const manager = await serving(t, WEB, { environment: { A: 'b' } });
    assert.deepEqual(await due(manager, '2026-01-01T06:30:00.000Z'), {
      type: 'scheduled',
      scheduledTime: Date.UTC(2026, 0, 1, 6, 30),
      scheduledAt: '2026-01-01T06:30:00.000Z',
      trigger: 'nightly',
      is: true,
      same: true,
      env: { A: 'b' },
    });
  });

  it('gives every caller a date of its own', async (t) => {
    const module = `export const handler = (request) => { request.scheduledAt().setFullYear(1999); console.log(request.scheduledAt().toISOString()); };`;
    const manager = await serving(t, module);
    await manager.answer(manager.invoke(scheduleHead('2026-01-01T06:30:00.000Z')));
    await manager.log('2026-01-01T06:30:00.000Z');
  });

  it('fails where the module has no method for it', async (t) => {
    const manager = await serving(t, 'export default { fetch: () => new Response() };');
    const { failed } = await manager.answer(manager.invoke(scheduleHead()));
    assert.equal(failed.code, 'no-handler');
    assert.match(failed.message, /no method scheduled\(\)/);
  });

  it('fails with what its handler throws', async (t) => {
    const manager = await serving(t, 'export default { async scheduled() { throw new RangeError("no"); } };');
    assert.equal((await manager.answer(manager.invoke(scheduleHead()))).failed.name, 'RangeError');
  });
});

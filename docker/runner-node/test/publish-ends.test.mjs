// What becomes of messages that are under way when an invocation, or the runner, comes to its end.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpHead, mqttHead, scheduleHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

describe('a cancellation', { concurrency: true }, () => {
  it('lets a handler go that waits for a broker', async (t) => {
    const module = `export const handler = async (request, response, context) => {
      try { await context.publish('a', 'b'); } catch (error) { console.log('caught', error.name, '-', error.message); }
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(mqttHead());
    const published = await manager.published();
    manager.send('CANCEL', { stream, head: { reason: 'timeout' } });
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    await manager.log('caught TimeoutError - the time of this invocation is over');
    // What comes too late harms nobody.
    manager.refuse(published, 'mqtt-unavailable');
    await manager.quiet();
    assert.equal(manager.logs.length, 1);
  });

  it('waits for no message, and does not punish who did not wait either', async (t) => {
    const manager = await serving(t, "export const handler = (request, response) => { response.publish('a', 'b'); };");
    const stream = manager.invoke(mqttHead());
    const published = await manager.published();
    manager.send('CANCEL', { stream, head: { reason: 'shutdown' } });
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    manager.refuse(published, 'mqtt-unavailable');
    await manager.quiet();
    assert.deepEqual(manager.logs, []);
  });

  it('does not forbid a last message', async (t) => {
    const module = `export const handler = async (request, response, context) => {
      console.log('waiting');
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      await context.publish('status', 'going', { retain: true });
      console.log('said it');
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(scheduleHead());
    await manager.log('waiting');
    manager.send('CANCEL', { stream, head: { reason: 'shutdown' } });
    manager.acknowledge(await manager.published());
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    await manager.log('said it');
  });
});

describe('an invocation that has failed', { concurrency: true }, () => {
  it('does not wait for what it published, and says why it failed itself', async (t) => {
    const module = `export const handler = async (request, response) => {
      response.publish('forgotten', '');
      response.publish('caught', '').catch((error) => console.log('caught', error.name, '-', error.message));
      throw new RangeError('mine');
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(mqttHead());
    const { failed } = await manager.answer(stream);
    assert.deepEqual([failed.name, failed.message], ['RangeError', 'mine']);
    await manager.log('caught AbortError - the invocation has failed');
    manager.refuse(await manager.published(), 'mqtt-refused');
    manager.acknowledge(await manager.published());
    await manager.quiet();
    assert.equal(manager.logs.length, 1);
  });
});

describe('a context that outlives its invocation', { concurrency: true }, () => {
  const MODULE = `let kept;
    export const handler = async (request, response, context) => {
      if (request.path() === '/keep') kept = context;
      else if (request.path() === '/wait') response.json({ is: (await kept.publish('late', 'x')) ?? null });
      else { kept.publish('late', 'x'); response.text('not waited for'); }
    };`;

  it('can still publish', async (t) => {
    const manager = await serving(t, MODULE);
    await manager.call({ target: '/keep' });
    const stream = manager.invoke(httpHead({ target: '/wait' }));
    const published = await manager.published();
    assert.equal(published.message.topic, 'late');
    manager.acknowledge(published);
    assert.deepEqual((await manager.answer(stream)).json, { is: null });
  });

  it('has its failures in the log, under the invocation that it belongs to, and harms no other', async (t) => {
    const manager = await serving(t, MODULE);
    const first = httpHead({ target: '/keep' });
    await manager.answer(manager.invoke(first));
    const second = { ...httpHead({ target: '/forget' }), id: '0197a6f0-3c1e-7d52-9c0f-000000000002' };
    const answer = await manager.answer(manager.invoke(second));
    assert.equal(answer.frames.length, 1);
    assert.equal(answer.text, 'not waited for');
    manager.refuse(await manager.published(), 'mqtt-unavailable', 'the broker is gone');
    const { head } = await manager.log('the broker is gone');
    assert.equal(head.invocation, first.id);
    assert.equal(head.level, 'error');
    assert.equal((await manager.call({ target: '/keep' })).failed, null);
  });

  it('fails its own invocation where another one used it meanwhile', async (t) => {
    const module = `let kept;
      let over;
      export const handler = async (request, response, context) => {
        if (request.path() === '/keep') { kept = context; await new Promise((resolve) => { over = resolve; console.log('kept'); }); }
        else { kept.publish('late', 'x'); over(); response.text('mine is fine'); }
      };`;
    const manager = await serving(t, module);
    const first = manager.invoke(httpHead({ target: '/keep' }));
    await manager.log('kept');
    assert.equal((await manager.call({ target: '/use' })).text, 'mine is fine');
    manager.refuse(await manager.published(), 'mqtt-unavailable', 'the broker is gone');
    assert.equal((await manager.answer(first)).failed.message, 'the broker is gone');
  });
});

describe('the end of the connection to the manager', { concurrency: true }, () => {
  it('ends the runner, whatever is under way', async (t) => {
    const module = `export const handler = async (request, response, context) => {
      await Promise.all(Array.from({ length: 100 }, () => context.publish('a', 'b')));
    };`;
    const manager = await serving(t, module);
    manager.invoke(mqttHead());
    await manager.published();
    manager.disconnect();
    assert.equal(await manager.exited(), 1);
    assert.match(manager.stderr, /^jobber runner: the connection to the manager has ended\n$/);
  });

  it('comes after what a runner that drains has published', async (t) => {
    const manager = await serving(t, "export const handler = (request, response) => { response.publish('a', 'b'); };");
    const stream = manager.invoke(mqttHead());
    manager.send('DRAIN');
    const published = await manager.published();
    manager.acknowledge(published);
    await manager.next('SETTLED', stream);
    manager.disconnect();
    assert.equal(await manager.exited(), 0);
  });
});

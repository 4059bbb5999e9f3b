// What goes wrong in a function: it fails the call that caused it, and as little else as possible.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

const THROWS = `
  class HttpError extends Error { name = 'HttpError'; code = 'E_HTTP'; }
  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const handlers = {
    ok: (request, response) => response.text('fine'),
    error() { throw new HttpError('no'); },
    async rejects() { await later(5); throw new TypeError('later'); },
    string() { throw 'just text'; },
    undefined() { throw undefined; },
    object() { throw { code: 7, nested: { a: [1] } }; },
    cause() { throw new Error('outer', { cause: new Error('inner') }); },
    many: () => Promise.any([Promise.reject(new Error('one')), Promise.reject(new Error('two'))]),
    huge() { throw new Error('\\u0001'.repeat(100_000)); },
    halves() { throw new Error('a half \\ud83d, a whole \\u{1f600}, \\\\\\\\ud800'); },
    hostile() { throw { get message() { throw new Error('trap'); }, stack: 1, toString: null }; },
    async unhandled() { Promise.reject(new Error('nobody waits')); await new Promise(() => {}); },
    async unhandledDeep() { await later(5); setTimeout(() => { Promise.reject(new Error('deep down')); }, 5); await new Promise(() => {}); },
    async uncaught() { setTimeout(() => { throw new Error('in a timer'); }, 5); await new Promise(() => {}); },
    async afterwards(request, response) { setTimeout(() => { Promise.reject(new Error('too late')); }, 20); response.text('sent'); },
    async cut(request, response) { await response.write('half'); throw new Error('in the middle'); },
    slow: async (request, response) => { await later(300); response.text('slow'); },
    exit() { console.log('last words'); process.exit(3); },
  };
  export const handler = (request, response, context) => handlers[request.path().slice(1)](request, response, context);`;

describe('a handler that throws', { concurrency: true }, () => {
  /** @type {[string, {name: string, message: string | RegExp, code?: string, value?: RegExp}][]} */
  const cases = [
    ['error', { name: 'HttpError', message: 'no', code: 'E_HTTP' }],
    ['rejects', { name: 'TypeError', message: 'later' }],
    ['string', { name: 'string', message: 'just text', value: /^"just text"$/ }],
    ['undefined', { name: 'undefined', message: 'undefined', value: /^undefined$/ }],
    ['object', { name: 'object', message: /nested/, value: /nested: \{ a: \[ 1 \] \}/ }],
    ['halves', { name: 'Error', message: 'a half \ufffd, a whole \u{1f600}, \\\\ud800' }],
    ['hostile', { name: 'unknown', message: /cannot be described/ }],
    ['unhandled', { name: 'Error', message: 'nobody waits' }],
    ['unhandledDeep', { name: 'Error', message: 'deep down' }],
  ];

  it('fails, whatever it throws and wherever', async (t) => {
    const manager = await serving(t, THROWS);
    for (const [name, expected] of cases) {
      const { frames, failed } = await manager.call({ target: `/${name}` });
      assert.equal(frames.length, 1, name);
      assert.equal(failed.name, expected.name);
      if (typeof expected.message === 'string') assert.equal(failed.message, expected.message);
      else assert.match(failed.message, expected.message);
      assert.equal(failed.code, expected.code);
      if (expected.value !== undefined) assert.match(failed.value, expected.value);
    }
    assert.equal((await manager.call({ target: '/ok' })).text, 'fine');
    assert.equal(manager.exitCode, null);
  });

  it('shows where, and why, without the runtime’s own files', async (t) => {
    const manager = await serving(t, THROWS);
    const { failed } = await manager.call({ target: '/error' });
    assert.match(failed.stack, /HttpError: no\n {4}at .*index\.mjs:6/);
    assert.doesNotMatch(failed.stack, /runner-node/);
    assert.match((await manager.call({ target: '/cause' })).failed.stack, /outer[^]*\[cause\]: Error: inner/);
    assert.match((await manager.call({ target: '/many' })).failed.stack, /\[error\]: Error: one[^]*\[error\]: Error: two/);
  });

  it('is told even if what it throws is huge', async (t) => {
    const manager = await serving(t, THROWS);
    const { failed } = await manager.call({ target: '/huge' });
    assert.ok(failed.message.length > 1_000);
    assert.ok(JSON.stringify(failed).length < 65_536);
  });

  it('cuts an answer that has begun', async (t) => {
    const manager = await serving(t, THROWS);
    const answer = await manager.call({ target: '/cut' });
    assert.equal(answer.text, 'half');
    assert.equal(answer.failed.message, 'in the middle');
  });

  it('is heard in the log when it is too late', async (t) => {
    const manager = await serving(t, THROWS);
    assert.equal((await manager.call({ target: '/afterwards' })).text, 'sent');
    const { head } = await manager.log('too late');
    assert.equal(head.invocation, httpHead().id);
    assert.equal(head.level, 'error');
  });

  it('fails only its own call among many', async (t) => {
    const manager = await serving(t, THROWS);
    const slow = manager.invoke(httpHead({ target: '/slow' }));
    const bad = manager.invoke(httpHead({ target: '/unhandledDeep' }));
    assert.equal((await manager.answer(bad)).failed.message, 'deep down');
    assert.equal((await manager.answer(slow)).text, 'slow');
  });
});

describe('an exception that nobody catches', { concurrency: true }, () => {
  it('fails its call, lets the others finish, and ends the runner', async (t) => {
    const manager = await serving(t, THROWS);
    const slow = manager.invoke(httpHead({ target: '/slow' }));
    const bad = manager.invoke(httpHead({ target: '/uncaught' }));
    assert.equal((await manager.answer(bad)).failed.message, 'in a timer');
    assert.equal((await manager.answer(slow)).text, 'slow');
    assert.equal(await manager.exited(), 70);
  });
});

describe('a handler that ends the process', { concurrency: true }, () => {
  it('has been heard', async (t) => {
    const manager = await serving(t, THROWS);
    const before = manager.invoke(httpHead({ target: '/ok' }));
    manager.invoke(httpHead({ target: '/exit' }));
    assert.equal(await manager.exited(), 3);
    await manager.log('last words');
    assert.equal((await manager.answer(before)).text, 'fine');
  });
});

describe('a cancellation', { concurrency: true }, () => {
  const module = `
    const waiting = (signal) => new Promise((resolve, reject) => {
      console.log('waiting');
      signal.addEventListener('abort', () => { console.log('told', signal.reason.name, signal.reason.message); reject(signal.reason); });
    });
    export async function handler(request, response, context) {
      if (request.path() === '/request') await waiting(request.signal);
      if (request.path() === '/context') await waiting(context.signal);
      if (request.path() === '/web') await waiting(request.getHttpRequest().signal);
      if (request.path() === '/deaf') { console.log('waiting'); await new Promise((resolve) => setTimeout(resolve, 200)); response.text('too late'); }
    }`;
  for (const [target, reason, told] of [
    ['/request', 'client', 'told AbortError the client has gone away'],
    ['/context', 'timeout', 'told TimeoutError the time of this invocation is over'],
    ['/web', 'client', 'told AbortError the client has gone away'],
  ]) {
    it(`reaches the handler: ${target}`, async (t) => {
      const manager = await serving(t, module);
      const stream = manager.invoke(httpHead({ target }));
      await manager.log('waiting');
      manager.send('CANCEL', { stream, head: { reason } });
      const { failed } = await manager.answer(stream);
      assert.match(failed.name, /AbortError|TimeoutError/);
      const { head } = await manager.log(told);
      assert.equal(head.invocation, httpHead().id);
    });
  }

  it('settles a handler that does not listen, without an answer', async (t) => {
    const manager = await serving(t, module);
    const stream = manager.invoke(httpHead({ target: '/deaf' }));
    await manager.log('waiting');
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
  });
});

// The session: its states, from the start line to the end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { httpHead } from './support/heads.mjs';
import { connected, serving } from './support/serve.mjs';

const SIMPLE = 'export const handler = (request, response) => response.text("ok");';

describe('a session', { concurrency: true }, () => {
  it('begins with a HELLO that proves the runner', async (t) => {
    const manager = await connected(t);
    const { head } = await manager.next('HELLO');
    assert.deepEqual(Object.keys(head).sort(), ['accepts', 'pid', 'protocol', 'runtime', 'runtimeVersion', 'token']);
    assert.equal(head.protocol, 1);
    assert.deepEqual(head.accepts, ['message']);
    assert.equal(head.runtime, 'node');
    assert.equal(head.runtimeVersion, process.versions.node);
    assert.equal(head.pid, manager.pid);
    assert.match(head.token, /^[0-9a-f]{64}$/);
  });

  it('may wait unassigned, answering pings, and ends peacefully with its connection', async (t) => {
    const manager = await connected(t);
    await manager.welcome();
    manager.send('PING', { body: Buffer.from('01020304', 'hex') });
    assert.equal((await manager.next('PONG')).body.toString('hex'), '01020304');
    manager.disconnect();
    assert.equal(await manager.exited(), 0);
    assert.equal(manager.stderr, '');
  });

  it('writes the package, makes the process its own, and serves', async (t) => {
    const manager = await connected(t);
    await manager.welcome();
    const large = Buffer.alloc(600_000, 7);
    const main = `
      import { readFileSync } from 'node:fs';
      import { nested } from './lib/deep/nested.mjs';
      export function handler(request, response) {
        response.json({ nested, size: readFileSync('data/large.bin').length, cwd: process.cwd(), argv: process.argv.slice(1),
          env: process.env });
      }`;
    const files = { 'dist/index.mjs': main, 'dist/lib/deep/nested.mjs': 'export const nested = 1;', 'data/large.bin': large };
    manager.assign(files, { main: './dist/index.mjs', environment: { GREETING: 'grüß', PATH: '/mine' } });
    const ready = await manager.next('READY');
    assert.equal(ready.head.dialect, 'classic');
    assert.ok(ready.head.importMs >= 0);
    const { json } = await manager.call();
    assert.equal(json.nested, 1);
    assert.equal(json.size, 600_000);
    assert.equal(json.cwd, manager.directory);
    assert.deepEqual(json.argv, [join(manager.directory, 'dist/index.mjs')]);
    assert.deepEqual(json.env, { GREETING: 'grüß', PATH: '/mine' });
    assert.deepEqual(await readFile(join(manager.directory, 'data/large.bin')), large);
    assert.equal((await stat(join(manager.directory, 'data/large.bin'))).mode & 0o111, 0);
  });

  it('makes executable what is executable', async (t) => {
    const manager = await connected(t);
    await manager.welcome();
    manager.send('ASSIGN', { head: { main: './m.mjs', files: 2, bytes: SIMPLE.length, limits: { concurrency: 1, bufferedBodyBytes: 1 } } });
    manager.send('FILE', { head: { path: 'bin/tool', size: 0, executable: true } });
    manager.send('FILE', { head: { path: 'm.mjs', size: SIMPLE.length, executable: false }, body: SIMPLE });
    manager.send('LOAD');
    await manager.next('READY');
    assert.equal((await stat(join(manager.directory, 'bin/tool'))).mode & 0o100, 0o100);
  });

  it('finishes what runs after a DRAIN and ends with the connection', async (t) => {
    const manager = await serving(
      t,
      `let go; export default { go: () => go() };
       export function handler(request, response) {
         if (request.path() === '/go') return go();
         return new Promise((resolve) => { go = () => { response.text('late'); resolve(); }; setTimeout(go, 200); });
       }`,
    );
    const stream = manager.invoke();
    manager.send('DRAIN');
    assert.equal((await manager.answer(stream)).text, 'late');
    manager.disconnect();
    assert.equal(await manager.exited(), 0);
  });

  it('aborts what runs at a SHUTDOWN and exits with code 0', async (t) => {
    const manager = await serving(
      t,
      `export const handler = (request) => new Promise((resolve) => {
         request.signal.addEventListener('abort', () => { console.log('aborted:', request.signal.reason.message); resolve(); });
         console.log('waiting');
       });`,
    );
    const stream = manager.invoke();
    await manager.log('waiting');
    manager.send('SHUTDOWN', { head: { graceMs: 5_000 } });
    await manager.answer(stream);
    assert.equal(await manager.exited(), 0);
    await manager.log('aborted: the runner is shutting down');
  });

  it('exits within the grace when a handler does not let go', async (t) => {
    const manager = await serving(t, 'export const handler = () => new Promise(() => console.log("stuck"));');
    manager.invoke();
    await manager.log('stuck');
    manager.send('SHUTDOWN', { head: { graceMs: 300 } });
    assert.equal(await manager.exited(), 0);
  });

  it('ends by SIGTERM as by SHUTDOWN', async (t) => {
    const manager = await serving(t, SIMPLE);
    process.kill(manager.pid, 'SIGTERM');
    assert.equal(await manager.exited(), 0);
  });

  it('exits when the connection ends while it serves', async (t) => {
    const manager = await serving(t, SIMPLE);
    manager.disconnect();
    assert.equal(await manager.exited(), 1);
    assert.match(manager.stderr, /connection to the manager has ended/);
  });
});

describe('a package', { concurrency: true }, () => {
  const head = { main: './index.mjs', files: 1, bytes: 1, limits: { concurrency: 1, bufferedBodyBytes: 1 } };
  /** @type {[string, unknown][]} */
  const badPaths = [
    ['upwards', '../x'],
    ['upwards in the middle', 'a/../../x'],
    ['absolute', '/etc/x'],
    ['with a backslash', 'a\\x'],
    ['on a drive', 'c:x'],
    ['with a NUL', 'a\0x'],
    ['with an empty segment', 'a//x'],
    ['empty', ''],
    ['missing', undefined],
  ];
  for (const [what, path] of badPaths) {
    it(`is rejected for a path ${what}`, async (t) => {
      const manager = await connected(t);
      await manager.welcome();
      manager.send('ASSIGN', { head });
      manager.send('FILE', { head: { path, size: 1 }, body: 'x' });
      const rejected = await manager.next('REJECTED');
      assert.equal(rejected.head.phase, 'files');
      assert.equal(rejected.head.error.code, 'bad-path');
    });
  }

  it('is rejected when a file is longer than announced, twice there, or missing', async (t) => {
    /** @type {[object, string][][]} */
    const cases = [
      [[{ path: 'a', size: 1 }, 'xy']],
      [
        [{ path: 'a', size: 1 }, 'x'],
        [{ path: 'a', size: 0 }, ''],
      ],
      [[{ path: 'a', size: 0 }, '']],
      [[{ path: 'a', size: 2 }, 'x']],
    ];
    for (const files of cases) {
      const manager = await connected(t);
      await manager.welcome();
      manager.send('ASSIGN', { head });
      for (const [file, body] of files) manager.send('FILE', { head: file, body });
      manager.send('LOAD');
      assert.equal((await manager.next('REJECTED')).head.phase, 'files');
    }
  });

  /** @type {[string, string, string, RegExp][]} */
  const badModules = [
    ['throws', 'throw new TypeError("at the top");', 'import', /at the top/],
    ['throws something else', 'throw { odd: 1 };', 'import', /odd: 1/],
    ['is not JavaScript', 'export const = 3;', 'import', /Unexpected token/],
    ['imports what is not there', 'import "./nowhere.mjs";', 'import', /nowhere/],
    ['throws in a timer while it is imported', 'setTimeout(() => { throw new Error("late"); }); await new Promise(() => {});', 'import', /late/],
    ['leaves a rejection behind', 'Promise.reject(new Error("adrift")); await new Promise(() => {});', 'import', /adrift/],
    ['exports nothing', '', 'exports', /exports no handler.*exports nothing/],
    ['exports something else', 'export const main = 1; export default class {}', 'exports', /it exports default, main/],
  ];
  for (const [what, source, phase, message] of badModules) {
    it(`is rejected when its module ${what}`, async (t) => {
      const manager = await connected(t);
      await manager.welcome();
      manager.assign({ 'index.mjs': source });
      const { head: told } = await manager.next('REJECTED');
      assert.equal(told.phase, phase);
      assert.match(told.error.message, message);
      assert.doesNotMatch(told.error.stack, /runner-node\/src/);
    });
  }

  it('says where it is not JavaScript', async (t) => {
    const manager = await connected(t);
    await manager.welcome();
    manager.assign({ 'index.mjs': 'export const a = 1;\nexport const = 3;' });
    const { head: told } = await manager.next('REJECTED');
    assert.match(told.error.stack, /index\.mjs:2/);
  });

  it('is rejected when main is outside of it', async (t) => {
    const manager = await connected(t);
    await manager.welcome();
    manager.assign({ 'index.mjs': '' }, { main: '../index.mjs' });
    assert.equal((await manager.next('REJECTED')).head.error.code, 'bad-path');
  });
});

describe('a manager that breaks the protocol', { concurrency: true }, () => {
  /** @type {[string, (manager: import('./support/manager.mjs').Manager) => void][]} */
  const wrongs = [
    ['bytes that are no frame', (manager) => manager.sendRaw(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['an unknown type', (manager) => manager.sendRaw(Buffer.from('00000008ee00000000000000', 'hex'))],
    ['an INVOKE while loading', (manager) => manager.invoke()],
    ['a second WELCOME', (manager) => manager.send('WELCOME', { head: { protocol: 1, credit: 1 } })],
    ['a LOAD without an ASSIGN', (manager) => manager.send('LOAD')],
    ['a RESULT for no CALL', (manager) => manager.send('RESULT', { stream: 2, head: { ok: true } })],
    ['DATA for a stream that never was', (manager) => manager.send('DATA', { stream: 1 })],
  ];
  for (const [what, act] of wrongs) {
    it(`loses its runner: ${what}`, async (t) => {
      const manager = await connected(t);
      await manager.welcome();
      act(manager);
      assert.equal(await manager.exited(), 76);
      assert.match(manager.stderr, /broke the protocol/);
    });
  }

  it('loses its runner: more invocations than agreed', async (t) => {
    const manager = await serving(t, 'export const handler = () => new Promise(() => {});', { limits: { concurrency: 2 } });
    for (let n = 0; n < 3; n += 1) manager.invoke();
    assert.equal(await manager.exited(), 76);
  });

  it('loses its runner: a stream number again', async (t) => {
    const manager = await serving(t, SIMPLE);
    await manager.call();
    manager.send('INVOKE', { flags: 1, stream: 1, head: httpHead() });
    assert.equal(await manager.exited(), 76);
  });

  it('loses its runner: more input than there is credit for', async (t) => {
    const manager = await serving(t, 'export default { fetch: () => new Promise(() => {}) };', { credit: 1_000 });
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: Buffer.alloc(900), end: false });
    manager.send('DATA', { stream, body: Buffer.alloc(101) });
    assert.equal(await manager.exited(), 76);
  });

  it('may send what crosses with the end of a stream', async (t) => {
    const manager = await serving(t, 'export default { fetch: () => new Response("early") };');
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: 'a', end: false });
    assert.equal((await manager.answer(stream)).text, 'early');
    manager.send('DATA', { stream, body: 'b', flags: 1 });
    manager.send('CREDIT', { stream, head: { bytes: 5 } });
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    assert.equal((await manager.call()).text, 'early');
  });
});

describe('a start line', () => {
  const main = fileURLToPath(new URL('../main.mjs', import.meta.url));
  for (const line of ['', 'nonsense ffff', '{"host":"h","port":1,"token":"short","directory":"/x"}', 'x'.repeat(20_000)]) {
    it(`is refused without telling it: ${line.slice(0, 20)}`, async () => {
      const child = spawn(process.execPath, [main], { stdio: 'pipe' });
      child.stdin.on('error', () => {});
      child.stdin.end(line);
      let said = '';
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      const [code] = await once(child, 'close');
      assert.equal(code, 1);
      assert.match(said, /^jobber runner: the start line on standard input/);
      assert.doesNotMatch(said, /ffff|short/);
    });
  }
});

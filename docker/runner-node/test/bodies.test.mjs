// Bodies in both directions: in parts, by credit, cut short.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { httpHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

const MIB = 1024 * 1024;

/**
 * Sends a body as the runner gives credit for it.
 * @param {import('./support/manager.mjs').Manager} manager
 * @param {number} stream
 * @param {Buffer} body
 * @param {number} sent bytes that went with the INVOKE
 */
async function upload(manager, stream, body, sent) {
  let at = sent;
  let window = manager.credit - sent;
  let most = 0;
  while (at < body.length) {
    if (window === 0) window += (await manager.next('CREDIT', stream)).head.bytes;
    const size = Math.min(65_536, window, body.length - at);
    manager.send('DATA', { stream, body: body.subarray(at, at + size), flags: at + size === body.length ? 1 : 0 });
    at += size;
    window -= size;
    for (let credit = manager.take('CREDIT', stream); credit; credit = manager.take('CREDIT', stream)) window += credit.head.bytes;
    most = Math.max(most, window);
  }
  assert.ok(most <= manager.credit, 'never more credit than the window');
}

const HASH = `
  import { createHash } from 'node:crypto';
  async function digest(body) {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of body) { hash.update(chunk); size += chunk.length; }
    return { sha256: hash.digest('hex'), size };
  }`;

describe('an input', { concurrency: true }, () => {
  const body = Buffer.alloc(20 * MIB);
  for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(at, at);
  const sha256 = createHash('sha256').update(body).digest('hex');

  it('of 20 MiB passes through a classic handler as a stream', async (t) => {
    const manager = await serving(t, `${HASH} export const handler = async (request, response) => response.json(await digest(request.body));`);
    const stream = manager.invoke(httpHead({ method: 'POST', size: body.length }), { body: body.subarray(0, 1000), end: false });
    await upload(manager, stream, body, 1000);
    assert.deepEqual((await manager.answer(stream)).json, { sha256, size: body.length });
  });

  it('of unknown size becomes a stream once it is too large for memory', async (t) => {
    const module = `${HASH} export const handler = async (request, response) => {
      let error = null;
      try { request.text(); } catch (thrown) { error = thrown.code; }
      response.json({ error, ...await digest(request.body) });
    };`;
    const manager = await serving(t, module, { limits: { bufferedBodyBytes: MIB } });
    const stream = manager.invoke(httpHead({ method: 'POST' }), { end: false });
    await upload(manager, stream, body, 0);
    assert.deepEqual((await manager.answer(stream)).json, { error: 'body-too-large', sha256, size: body.length });
  });

  it('that comes in parts is whole before a classic handler is called', async (t) => {
    const manager = await serving(t, 'export const handler = (request, response) => response.text(request.text());');
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: 'one ', end: false });
    manager.send('DATA', { stream, body: 'two ' });
    manager.send('DATA', { stream, body: 'three', flags: 1 });
    assert.equal((await manager.answer(stream)).text, 'one two three');
  });

  it('reaches a standard handler as it comes', async (t) => {
    const module = `export default { async fetch(request) {
      for await (const chunk of request.body) console.log('got', Buffer.from(chunk).toString());
      return new Response('all');
    } };`;
    const manager = await serving(t, module);
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: 'one', end: false });
    await manager.log('got one');
    manager.send('DATA', { stream, body: 'two' });
    await manager.log('got two');
    manager.send('DATA', { stream, flags: 1 });
    assert.equal((await manager.answer(stream)).text, 'all');
  });

  it('is not asked for while nobody reads it', async (t) => {
    const module = `export default { async fetch(request) {
      console.log('called');
      if (request.headers.get('x-read')) await request.arrayBuffer();
      return new Response('done');
    } };`;
    const manager = await serving(t, module, { credit: 4_096 });
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: Buffer.alloc(4_096), end: false });
    const answer = await manager.answer(stream);
    assert.equal(answer.text, 'done');
    assert.equal(manager.take('CREDIT', stream), undefined);
  });

  it('can be refused in the middle', async (t) => {
    const module = `export const handler = async (request, response) => {
      const reader = request.body.getReader();
      await reader.read();
      await reader.cancel();
      response.write('enough');
      setTimeout(() => response.end(), 50);
    };`;
    const manager = await serving(t, module, { limits: { bufferedBodyBytes: 10 } });
    const stream = manager.invoke(httpHead({ method: 'POST', size: 100 }), { body: 'twenty bytes and more', end: false });
    await manager.next('STOP_READING', stream);
    manager.send('DATA', { stream, body: 'on its way' });
    assert.equal((await manager.answer(stream)).text, 'enough');
  });

  it('that outlives its invocation is not spoken of any more', async (t) => {
    const module = `let kept;
      export const handler = async (request, response) => {
        if (request.path() === '/later') {
          await kept.cancel().catch(() => {});
          response.text(await kept.read().then(() => 'read', (error) => error.name));
          return;
        }
        kept = request.body.getReader();
        await kept.read();
        response.text('early');
      };`;
    const manager = await serving(t, module, { limits: { bufferedBodyBytes: 1 } });
    const stream = manager.invoke(httpHead({ method: 'POST', size: 10 }), { body: 'half', end: false });
    assert.equal((await manager.answer(stream)).text, 'early');
    await manager.call({ target: '/later' });
    assert.equal(manager.take('STOP_READING'), undefined);
    assert.equal(manager.take('CREDIT'), undefined);
  });

  it('that is cut short rejects where it is read', async (t) => {
    const module = `export const handler = async (request, response) => {
      try { for await (const chunk of request.body) console.log('read', chunk.length); }
      catch (error) { console.log('caught', error.name, error.message); }
    };`;
    const manager = await serving(t, module, { limits: { bufferedBodyBytes: 1 } });
    const stream = manager.invoke(httpHead({ method: 'POST', size: 10 }), { body: 'half', end: false });
    await manager.log('read 4');
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    const { frames } = await manager.answer(stream);
    assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    await manager.log('caught AbortError the client has gone away');
  });

  it('that is cut short before the handler was called is settled', async (t) => {
    const manager = await serving(t, 'export const handler = () => console.log("called");');
    const stream = manager.invoke(httpHead({ method: 'POST' }), { body: 'half', end: false });
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    await manager.answer(stream);
    assert.equal(manager.logs.length, 0);
  });
});

describe('an output', { concurrency: true }, () => {
  const SOURCES = `
    import { Readable } from 'node:stream';
    async function* parts(count) { for (let n = 0; n < count; n += 1) yield Buffer.alloc(50_000, n); }
    const sources = {
      node: () => Readable.from(parts(100)),
      web: () => Readable.toWeb(Readable.from(parts(100))),
      generator: () => parts(100),
      text: () => ['a', 'ä'],
      broken: () => Readable.from((async function* () { yield Buffer.from('half'); throw new Error('disk gone'); })()),
      wrong: () => 7,
      odd: () => [{}],
    };
    export const handler = (request, response) => { response.header('x', 'y').stream(sources[request.path().slice(1)]()); };`;

  it('comes from any kind of stream', async (t) => {
    const manager = await serving(t, SOURCES);
    for (const target of ['/node', '/web', '/generator']) {
      const answer = await manager.call({ target });
      assert.equal(answer.failed, null);
      assert.equal(answer.header('x'), 'y');
      assert.equal(answer.body.length, 5_000_000);
      assert.deepEqual([answer.body[49_999], answer.body[50_000], answer.body[4_999_999]], [0, 1, 99]);
    }
    assert.equal((await manager.call({ target: '/text' })).text, 'aä');
  });

  it('tells when its stream broke', async (t) => {
    const manager = await serving(t, SOURCES);
    const answer = await manager.call({ target: '/broken' });
    assert.equal(answer.text, 'half');
    assert.equal(answer.failed.message, 'disk gone');
    assert.equal((await manager.call({ target: '/wrong' })).failed.code, 'bad-body');
    assert.equal((await manager.call({ target: '/odd' })).failed.code, 'bad-body');
  });

  it('never has more on its way than there is credit for', async (t) => {
    const manager = await serving(t, 'export const handler = (request, response) => response.text("z".repeat(10_000));', { credit: 1_000 });
    const stream = manager.invoke();
    const first = await manager.next('RESPONSE', stream);
    assert.equal(first.body.length, 1_000);
    manager.send('PING');
    await manager.next('PONG');
    assert.equal(manager.take('DATA', stream), undefined);
    manager.send('CREDIT', { stream, head: { bytes: 500 } });
    assert.equal((await manager.next('DATA', stream)).body.length, 500);
    manager.send('CREDIT', { stream, head: { bytes: 1_000_000 } });
    const rest = await manager.next('DATA', stream);
    assert.equal(rest.body.length, 8_500);
    assert.equal(rest.flags, 3);
  });

  it('makes its writer wait', async (t) => {
    const module = `export const handler = async (request, response) => {
      for (let n = 0; n < 10; n += 1) { await response.write(Buffer.alloc(1_000)); console.log('wrote', n); }
      response.end('.');
    };`;
    const manager = await serving(t, module, { credit: 2_500 });
    const stream = manager.invoke();
    await manager.log('wrote 1');
    manager.send('PING');
    await manager.next('PONG');
    assert.equal(manager.logs.length, 2);
    assert.equal((await manager.answer(stream)).body.length, 10_001);
    await manager.log('wrote 9');
  });

  it('is sent event by event, and ends when it is ended', async (t) => {
    const module = `export const handler = (request, response) => {
      response.header('content-type', 'text/event-stream');
      let n = 0;
      const timer = setInterval(() => {
        response.write('data: ' + n + '\\n\\n');
        if (++n === 3) { clearInterval(timer); response.end(); }
      }, 20);
    };`;
    // The handler returns before its first write: nothing has begun, so there is nothing to wait for.
    const manager = await serving(t, module);
    assert.equal((await manager.call()).text, '');
    await manager.log('the answer has ended');

    const begun = await serving(t, module.replace('let n = 0;', 'let n = 0; response.write(": hello\\n\\n");'));
    const { frames, text } = await begun.call();
    assert.equal(text, ': hello\n\ndata: 0\n\ndata: 1\n\ndata: 2\n\n');
    assert.equal(frames.filter(({ body }) => body.length > 0).length, 4);
  });

  it('is not harmed by a buffer that is used again', async (t) => {
    const module = `export const handler = async (request, response) => {
      const buffer = Buffer.alloc(20_000);
      for (let n = 1; n <= 3; n += 1) { buffer.fill(n); await response.write(buffer); }
      response.end();
    };`;
    const manager = await serving(t, module);
    const { body } = await manager.call();
    assert.deepEqual([body[0], body[20_000], body[59_999]], [1, 2, 3]);
  });

  it('refuses a writer that never waits, before memory is full', async (t) => {
    const module = `export const handler = async (request, response) => {
      try { for (let n = 0; n < 100; n += 1) { const sent = response.write(Buffer.alloc(1_000_000)); if (n > 30) await sent; } }
      catch (error) { console.log('refused', error.code); }
      response.end();
    };`;
    const manager = await serving(t, module);
    const stream = manager.invoke();
    await manager.log('refused write-queue-full');
    await manager.answer(stream);
  });

  it('stops its source when the client goes away', async (t) => {
    const module = `
      import { Readable } from 'node:stream';
      export const handler = (request, response) => {
        const source = request.path() === '/node'
          ? new Readable({ read() {}, destroy(error, done) { console.log('node destroyed'); done(error); } })
          : new ReadableStream({ cancel() { console.log('web cancelled'); } });
        response.stream(source);
      };`;
    const manager = await serving(t, module);
    for (const target of ['/node', '/web']) {
      const stream = manager.invoke(httpHead({ target }));
      await manager.next('RESPONSE', stream);
      manager.send('CANCEL', { stream, head: { reason: 'client' } });
      const { frames } = await manager.answer(stream);
      assert.deepEqual(frames.map(({ type }) => type), ['SETTLED']);
    }
    await manager.log('node destroyed');
    await manager.log('web cancelled');
  });

  it('makes writes reject when the client goes away', async (t) => {
    const module = `export const handler = async (request, response) => {
      try { for (;;) await response.write(Buffer.alloc(1_000)); } catch (error) { console.log('writing ended:', error.name); }
    };`;
    const manager = await serving(t, module, { credit: 2_000 });
    const stream = manager.invoke();
    await manager.next('RESPONSE', stream);
    manager.send('CANCEL', { stream, head: { reason: 'client' } });
    const { frames } = await manager.answer(stream);
    assert.equal(frames[frames.length - 1].type, 'SETTLED');
    await manager.log('writing ended: AbortError');
  });

  it('of a standard handler waits for credit too', async (t) => {
    const module = `let made = 0;
      export default { fetch: () => new Response(new ReadableStream({
        pull(c) { made += 1; if (made > 200) { c.close(); console.log('all made'); } else c.enqueue(Buffer.alloc(10_000)); },
      }, { highWaterMark: 1 })) };`;
    const manager = await serving(t, module, { credit: 100_000 });
    const stream = manager.invoke();
    await manager.next('RESPONSE', stream);
    manager.send('PING');
    await manager.next('PONG');
    assert.ok(manager.inbox.filter((frame) => frame.stream === stream).length <= 10);
    assert.equal(manager.logs.length, 0);
    manager.send('CREDIT', { stream, head: { bytes: 10_000_000 } });
    await manager.log('all made');
  });
});

// What a function writes, on its way to the manager.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PartialLine, parts } from '../src/lines.mjs';
import { httpHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

/** @param {string} body */
const handler = (body) => `export async function handler(request, response, context) { ${body} }`;

/** @param {import('./support/manager.mjs').Manager} manager */
const messages = (manager) => manager.logs.map(({ head, body }) => [head.stream, body.toString()]);

describe('a log', { concurrency: true }, () => {
  it('has what console writes, message by message', async (t) => {
    const manager = await serving(
      t,
      handler(`console.log('a', 1); console.error('b'); console.log('two\\nlines'); console.log(); process.stdout.write('c\\n'); process.stderr.write(Buffer.from('ä\\n'));`),
    );
    await manager.call();
    const expected = [
      ['stdout', 'a 1'],
      ['stderr', 'b'],
      ['stdout', 'two\nlines'],
      ['stdout', ''],
      ['stdout', 'c'],
      ['stderr', 'ä'],
    ];
    assert.deepEqual(messages(manager), expected);
    for (const { head } of manager.logs) {
      assert.equal(head.invocation, httpHead().id);
      assert.ok(Math.abs(Date.parse(head.time) - Date.now()) < 60_000);
    }
    assert.equal(manager.stdout, '');
  });

  it('puts a line together that is written in pieces, and does not lose its beginning', async (t) => {
    const manager = await serving(
      t,
      handler(`process.stdout.write('one '); await null; process.stdout.write('line\\nnext '); process.stderr.write('other'); process.stdout.write('begins');`),
    );
    await manager.call();
    const expected = [
      ['stdout', 'one line'],
      ['stdout', 'next begins'],
      ['stderr', 'other'],
    ];
    assert.deepEqual(messages(manager).sort(), expected.sort());
  });

  it('comes before the end of its invocation', async (t) => {
    const manager = await serving(t, handler(`console.log('before'); process.stdout.write('partial'); response.text('x');`));
    const stream = manager.invoke();
    await manager.next('RESPONSE', stream);
    assert.deepEqual(messages(manager), [
      ['stdout', 'before'],
      ['stdout', 'partial'],
    ]);
  });

  it('knows which of many invocations wrote', async (t) => {
    const manager = await serving(
      t,
      handler(`for (let n = 0; n < 5; n += 1) { await new Promise((r) => setTimeout(r, 5)); console.log(request.invocationId()); }
        await new Promise((r) => process.nextTick(r)); setImmediate(() => console.log(request.invocationId()));
        await new Promise((r) => setTimeout(r, 20));`),
    );
    const streams = [];
    for (let n = 0; n < 20; n += 1) streams.push(manager.invoke({ ...httpHead(), id: `invocation-${n}` }));
    for (const stream of streams) await manager.answer(stream);
    assert.equal(manager.logs.length, 120);
    for (const { head, body } of manager.logs) assert.equal(head.invocation, body.toString());
  });

  it('has what is written while importing, and by nobody in particular', async (t) => {
    const manager = await serving(t, `console.log('importing'); setTimeout(() => process.stdout.write('no end'), 1); ${handler('')}`);
    const { head } = await manager.log('importing');
    assert.equal(head.invocation, undefined);
    await manager.log('no end');
  });

  it('has levels and fields by context.log', async (t) => {
    const manager = await serving(
      t,
      handler(`
        context.log('debug', 'd'); context.log('info', { a: 1 }); context.log('warn', 'w', { user: 7, nested: { x: [1] } });
        context.log('error', 'e', { huge: 'x'.repeat(20_000) });
        const circular = {}; circular.self = circular; context.log('info', 'c', circular);
        try { context.log('loud', 'x'); } catch (error) { response.text(error.code); }`),
    );
    assert.equal((await manager.call()).text, 'bad-request');
    const got = manager.logs.map(({ head, body }) => [head.level, head.stream, body.toString(), head.fields]);
    assert.deepEqual(got.slice(0, 3), [
      ['debug', 'stdout', 'd', undefined],
      ['info', 'stdout', '{ a: 1 }', undefined],
      ['warn', 'stderr', 'w', { user: 7, nested: { x: [1] } }],
    ]);
    assert.match(got[3][3].fieldsError, /too many/);
    assert.match(got[4][3].fieldsError, /circular/);
  });

  it('cuts lines that are too long and says so', async (t) => {
    const manager = await serving(t, handler(`console.log('ä'.repeat(100_000)); console.log('short');`));
    await manager.call();
    await manager.log('short');
    const long = manager.logs[0].body;
    assert.ok(long.length <= 65_536);
    assert.match(long.toString(), /^ä+.?… \[134528 bytes of this line were cut\]$/);
  });

  it('puts characters together whose bytes come in two writes, and takes any encoding', async (t) => {
    const manager = await serving(
      t,
      handler(`
        const bytes = Buffer.from('grün 🦀\\n');
        for (const byte of bytes) process.stdout.write(Buffer.from([byte]));
        process.stdout.write('aGk=', 'base64'); process.stdout.write(' there\\n', 'latin1');
        process.stdout.write(Buffer.from([0x61, 0xff, 0x62, 0x0a, 0xc3])); process.stdout.write('x\\n');
        process.stderr.write(Buffer.from([0xe2, 0x82]));`),
    );
    await manager.call();
    assert.deepEqual(messages(manager), [
      ['stdout', 'grün 🦀'],
      ['stdout', 'hi there'],
      ['stdout', 'a\ufffdb'],
      ['stdout', '\ufffdx'],
      ['stderr', '\ufffd'],
    ]);
  });

  it('cuts a line once that is written in pieces', async (t) => {
    const manager = await serving(
      t,
      handler(`for (let n = 0; n < 1_000; n += 1) process.stdout.write('y'.repeat(1_000)); process.stdout.write('\\nnext\\n');`),
    );
    await manager.call();
    const lines = manager.logs.flatMap(({ body }) => body.toString().split('\n'));
    assert.equal(lines.length, 2);
    assert.match(lines[0], /^y{65472}… \[934528 bytes of this line were cut\]$/);
    assert.equal(lines[1], 'next');
  });

  it('drops what is too much, says how much, and stays small', async (t) => {
    const flood = handler(`
      const line = 'x'.repeat(1_000);
      for (let n = 0; n < 200_000; n += 1) console.log(line);
      response.json({ rss: process.memoryUsage().rss });
      writeFileSync('finished', '');`);
    const manager = await serving(t, `import { writeFileSync } from 'node:fs'; ${flood}`);
    // Nothing is read until the handler has written everything: more than the system takes for us.
    manager.read(false);
    const stream = manager.invoke();
    const deadline = Date.now() + 20_000;
    while (!existsSync(join(manager.directory, 'finished'))) {
      assert.ok(Date.now() < deadline, 'the handler finishes although nobody reads');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    manager.read(true);
    const { json } = await manager.answer(stream);
    const { head } = await manager.until(() => manager.logs.find((log) => log.head.dropped > 0), 'the count');
    assert.equal(manager.logs.filter((log) => !log.head.dropped).length + head.dropped, 200_000);
    assert.ok(json.rss < 250 * 1024 * 1024, `${json.rss} bytes`);
  });
});

describe('the beginning of a line', () => {
  it('has begun when something was written, be it part of a character', () => {
    const line = new PartialLine();
    assert.equal(line.begun, false);
    line.add(line.decode(Buffer.from([0xf0, 0x9f]), undefined));
    assert.equal(line.begun, true);
    line.add(line.decode(Buffer.from([0xa6]), undefined));
    assert.equal(line.begun, true);
    line.add(line.decode(Buffer.from([0x80]), undefined));
    assert.equal(line.take(), '🦀');
    assert.equal(line.begun, false);
    line.add(line.decode(Buffer.from('ü'), undefined));
    line.add(line.decode('', undefined));
    assert.equal(line.take(), 'ü');
  });
});

describe('long texts', () => {
  it('are parted at the ends of lines', () => {
    const lines = Array.from({ length: 3_000 }, (_, n) => `${n} ${'y'.repeat(60)}`);
    const all = [...parts(lines.join('\n'))];
    assert.ok(all.length > 1);
    assert.ok(all.every((part) => Buffer.byteLength(part) <= 65_536));
    assert.equal(all.join('\n'), lines.join('\n'));
  });
});

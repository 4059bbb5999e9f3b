// Frames: the golden file, bytes in arbitrary pieces, and everything malformed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { FrameParser, MAX_LENGTH, ProtocolError, TYPE, encodeFrame, typeName } from '../src/frames.mjs';
import { GOLDEN_FILE, goldenText } from './frames/generate.mjs';

/** @typedef {{type: number, flags: number, stream: number, head: any, body: Buffer}} Frame */

const golden = JSON.parse(readFileSync(GOLDEN_FILE, 'utf8'));

/** @param {import('../src/frames.mjs').Side} from */
function collector(from) {
  /** @type {Frame[]} */
  const frames = [];
  const parser = new FrameParser(from, (type, flags, stream, head, body) => {
    frames.push({ type, flags, stream, head, body });
  });
  return { frames, parser };
}

describe('the golden file', () => {
  it('is what its generator makes', () => {
    assert.equal(readFileSync(GOLDEN_FILE, 'utf8'), goldenText());
  });

  it('has every frame type', () => {
    const seen = new Set(golden.frames.map((/** @type {any} */ frame) => frame.type));
    assert.deepEqual([...seen].sort(), Object.keys(TYPE).sort());
  });

  for (const example of golden.frames) {
    it(`decodes and encodes: ${example.name}`, () => {
      const { frames, parser } = collector(example.from);
      parser.push(Buffer.from(example.hex, 'hex'));
      assert.equal(frames.length, 1);
      const [frame] = frames;
      assert.equal(typeName(frame.type), example.type);
      assert.equal(frame.type, example.code);
      assert.equal(frame.flags, example.flags);
      assert.equal(frame.stream, example.stream);
      assert.deepEqual({ ...frame.head }, example.head ?? {});
      assert.equal(frame.body.toString('hex'), example.bodyHex);
      const again = encodeFrame(frame.type, frame.flags, frame.stream, example.head, frame.body);
      assert.equal(again.toString('hex'), example.hex);
    });
  }

  for (const wrong of golden.malformed) {
    it(`refuses: ${wrong.name}`, () => {
      const { frames, parser } = collector(wrong.from);
      const wire = Buffer.concat([Buffer.from(wrong.hex, 'hex'), Buffer.alloc(wrong.zeros)]);
      assert.throws(
        () => parser.push(wire),
        (error) => error instanceof ProtocolError && error.reason === wrong.reason,
      );
      assert.deepEqual(frames, []);
    });
  }
});

describe('a byte stream', () => {
  const examples = golden.frames.filter((/** @type {any} */ frame) => frame.from === 'manager');
  const wire = Buffer.concat(examples.map((/** @type {any} */ frame) => Buffer.from(frame.hex, 'hex')));

  for (const size of [1, 2, 3, 5, 11, 12, 13, 64, 1000, wire.length]) {
    it(`is the same in pieces of ${size}`, () => {
      const { frames, parser } = collector('manager');
      for (let at = 0; at < wire.length; at += size) parser.push(wire.subarray(at, at + size));
      assert.equal(parser.held, 0);
      assert.deepEqual(
        frames.map(({ type, stream, body }) => [type, stream, body.toString('hex')]),
        examples.map((/** @type {any} */ frame) => [frame.code, frame.stream, frame.bodyHex]),
      );
    });
  }

  it('may carry the largest frame', () => {
    const head = 'x'.repeat(48_564 - 8);
    const wire = encodeFrame(TYPE.CALL, 0, 2, { head }, Buffer.alloc(1_000_000));
    assert.ok(wire.length <= MAX_LENGTH + 4);
    const { frames, parser } = collector('runner');
    for (let at = 0; at < wire.length; at += 65_536) parser.push(wire.subarray(at, at + 65_536));
    assert.equal(frames[0].body.length, 1_000_000);
    assert.equal(frames[0].head.head, head);
  });

  it('gives up on a wrong length before the rest has come', () => {
    for (const wrong of golden.malformed.filter((/** @type {any} */ each) => each.prefix)) {
      const { parser } = collector(wrong.from);
      assert.throws(() => parser.push(Buffer.from(wrong.hex, 'hex').subarray(0, 4)), ProtocolError);
    }
  });
});

describe('encoding', () => {
  it('refuses what does not fit a frame', () => {
    assert.throws(() => encodeFrame(TYPE.LOG, 0, 0, { x: 'x'.repeat(65_536) }), RangeError);
    assert.throws(() => encodeFrame(TYPE.DATA, 0, 1, null, Buffer.alloc(MAX_LENGTH)), RangeError);
  });
});

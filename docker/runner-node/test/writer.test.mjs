// When frames are handed to the system.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { PREFIX_BYTES, TYPE } from '../src/frames.mjs';
import { FrameWriter, NO_HEAD } from '../src/writer.mjs';

/** Takes note of what is written to it. */
class Socket extends EventEmitter {
  /** @type {number[]} bytes of each write */
  writes = [];
  writableLength = 0;

  /** @param {Uint8Array} bytes */
  write(bytes) {
    this.writes.push(bytes.length);
    return true;
  }

  cork() {}
  uncork() {}
}

/**
 * @param {number} frameMs what each frame takes by the writer's clock
 * @param {number} [concurrency]
 */
function written(frameMs, concurrency = 100) {
  const socket = new Socket();
  let time = 0;
  const writer = new FrameWriter(/** @type {any} */ (socket), () => concurrency, () => time);
  /** @param {number} count */
  const frames = (count) => {
    for (let frame = 0; frame < count; frame += 1, time += frameMs) writer.frame(TYPE.SETTLED, 0, 1, NO_HEAD, null);
  };
  return { socket, frames };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('a writer', () => {
  it('writes once in a short turn', async () => {
    const { socket, frames } = written(0.001);
    frames(500);
    assert.deepEqual(socket.writes, []);
    await nextTurn();
    assert.deepEqual(socket.writes, [500 * PREFIX_BYTES]);
  });

  it('writes in the middle of a long turn, and the rest at its end', async () => {
    const { socket, frames } = written(0.1);
    frames(40);
    assert.equal(socket.writes.length, 1, 'one write in 4 ms');
    await nextTurn();
    assert.equal(socket.writes.length, 2);
    assert.equal(socket.writes.reduce((sum, bytes) => sum + bytes), 40 * PREFIX_BYTES);
    frames(1);
    assert.equal(socket.writes.length, 2, 'a new turn begins anew');
    await nextTurn();
    assert.equal(socket.writes.length, 3);
  });

  it('writes sooner when half of what there may be at once is answered', async () => {
    const { socket, frames } = written(0.1, 20);
    frames(40);
    assert.ok(socket.writes.length >= 2, `${socket.writes.length} writes in 4 ms`);
    await nextTurn();
    assert.equal(socket.writes.reduce((sum, bytes) => sum + bytes), 40 * PREFIX_BYTES);
  });

  it('has nobody wait for many answers that take long', () => {
    const { socket, frames } = written(5);
    frames(40);
    const first = socket.writes.length;
    assert.ok(first >= 20, `${first} writes in 200 ms`);
    frames(10);
    assert.equal(socket.writes.length, first + 10, 'each is written by now');
  });

  it('remembers from a turn before how long answers take', async () => {
    const { socket, frames } = written(5);
    frames(8);
    assert.deepEqual(socket.writes, []);
    await nextTurn();
    frames(8);
    assert.ok(socket.writes.length >= 7, `${socket.writes.length} writes`);
  });

  it('looks again after turns with one answer each', async () => {
    const { socket, frames } = written(0);
    for (let turn = 0; turn < 3; turn += 1) {
      frames(1);
      await nextTurn();
    }
    assert.equal(socket.writes.length, 3);
    frames(1_000);
    await nextTurn();
    assert.equal(socket.writes.length, 4);
  });
});

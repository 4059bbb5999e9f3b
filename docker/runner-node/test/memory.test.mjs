// What a runner tells of the memory that its process has held.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serving } from './support/serve.mjs';

const MIB = 1024 * 1024;

describe('memory', () => {
  it('is told before the end of the invocation that took it, and never again without there being more', async (t) => {
    const manager = await serving(
      t,
      `export async function handler(request, response) {
        const bytes = Number(request.query('mib') ?? 0) * ${MIB};
        // Longer than the time within which it is not asked again.
        await new Promise((resolve) => setTimeout(resolve, 30));
        response.text(String(Buffer.alloc(bytes, 1).length));
      }`,
    );
    await manager.call();
    assert.equal(manager.peaks.length, 1);
    const [before = 0] = manager.peaks;
    assert.ok(before > 10 * MIB && before < 1024 * MIB, String(before));
    await manager.call({ target: '/?mib=200' });
    const after = manager.peaks.at(-1) ?? 0;
    assert.ok(after > before + 150 * MIB, `${before}, then ${after}`);
    await manager.call();
    const { peaks } = manager;
    assert.deepEqual(peaks, [...new Set(peaks)].sort((a, b) => a - b), 'each tells more than the one before');
  });
});

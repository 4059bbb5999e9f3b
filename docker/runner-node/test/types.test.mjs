// The published types, used as a function uses them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

it('a function in TypeScript compiles against the types', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'jobber-types-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'node_modules/@jobber'), { recursive: true });
  symlinkSync(here('../types'), join(folder, 'node_modules/@jobber/types'));
  symlinkSync(here('../node_modules/@types'), join(folder, 'node_modules/@types'));
  symlinkSync(here('../node_modules/undici-types'), join(folder, 'node_modules/undici-types'));
  copyFileSync(here('types/function.ts'), join(folder, 'function.ts'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const options = {
    strict: true,
    noEmit: true,
    target: 'ES2023',
    lib: ['ES2023'],
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    types: ['node'],
    preserveSymlinks: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['function.ts'] }));
  const tsc = here('../node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  assert.equal(stdout, '');
  assert.equal(status, 0);
});

// Runs all tests: `npm test`, on this Node.js; `npm test -- /path/to/node …` on those besides.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.test.mjs'))
  .map((name) => folder + name);

let failed = false;
for (const node of [process.execPath, ...process.argv.slice(2)]) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' });
  process.stdout.write(`Node.js ${version.stdout?.trim() ?? node}\n`);
  const { status } = spawnSync(node, ['--test', '--test-reporter=tap', ...files], { stdio: 'inherit' });
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;

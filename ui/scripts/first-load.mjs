// Fails the build if what a browser loads before the first page is there is more than 300 kB, gzipped.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 300 * 1000;
const dist = new URL('../dist/panel/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));
const entry = Object.keys(manifest).find((name) => manifest[name].isEntry);
const home = Object.keys(manifest).find((name) => name.endsWith('pages/home.tsx'));
const files = new Set(['index.html']);
const collect = (name) => {
  const chunk = manifest[name];
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const other of chunk.imports ?? []) collect(other);
};
collect(entry);
if (home !== undefined) collect(home);
let total = 0;
for (const file of files) total += gzipSync(readFileSync(new URL(file, dist))).length;
console.log(`first load: ${(total / 1000).toFixed(1)} kB gzipped in ${files.size} files, of ${LIMIT / 1000} kB`);
if (total > LIMIT) process.exit(1);

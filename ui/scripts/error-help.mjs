// Makes src/api/error-help.json of docs/reference/admin-errors.md: what each error code means and what to do about it.
import { readFileSync, writeFileSync } from 'node:fs';

const document = readFileSync(new URL('../../docs/reference/admin-errors.md', import.meta.url), 'utf8');
const help = {};
for (const section of document.split(/^## /m).slice(1)) {
  const [code, ...lines] = section.split('\n');
  const text = lines.join(' ').replace(/\s+/g, ' ').trim();
  // A section begins with the status, which the answer has anyway.
  help[code.trim()] = text.replace(/^\d{3}(, \d{3})*\.\s*/, '').replace(/\[([^\]]+)\]\([^)]+\)/g, '$1').replace(/[`*]/g, '');
}
writeFileSync(new URL('../src/api/error-help.json', import.meta.url), `${JSON.stringify(help, null, 1)}\n`);

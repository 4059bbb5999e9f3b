// The forms that a module may have.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serving } from './support/serve.mjs';

const BODY = '(request, response) => response.text("ok")';
const FETCH = 'fetch: () => new Response("ok")';

/** @type {[string, string, import('./support/manager.mjs').Files, string][]} */
const FORMS = [
  ['an ES module', 'classic', { 'index.mjs': `export const handler = ${BODY};` }, './index.mjs'],
  ['an ES module by its package', 'classic', { 'package.json': '{"type":"module"}', 'a.js': `export const handler = ${BODY};` }, './a.js'],
  ['CommonJS, module.exports', 'classic', { 'package.json': '{}', 'a.js': `module.exports = { handler: ${BODY} };` }, './a.js'],
  ['CommonJS, exports', 'classic', { 'a.cjs': `exports.handler = ${BODY};` }, './a.cjs'],
  ['CommonJS, made as it runs', 'classic', { 'a.cjs': `const made = {}; made['hand' + 'ler'] = ${BODY}; module.exports = made;` }, './a.cjs'],
  [
    'what a compiler makes of an ES module',
    'classic',
    { 'a.cjs': `Object.defineProperty(exports, '__esModule', { value: true }); exports.handler = ${BODY};` },
    './a.cjs',
  ],
  [
    'a compiled default export',
    'web',
    { 'a.cjs': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { ${FETCH} };` },
    './a.cjs',
  ],
  ['a default export with a handler', 'classic', { 'index.mjs': `export default { handler: ${BODY} };` }, './index.mjs'],
  ['a web-standard module', 'web', { 'index.mjs': `export default { ${FETCH} };` }, './index.mjs'],
  ['an instance with fetch', 'web', { 'index.mjs': 'class App { #t = "ok"; fetch = () => new Response(this.#t); } export default new App();' }, './index.mjs'],
  ['a method with its this', 'web', { 'index.mjs': 'class App { t = "ok"; fetch() { return new Response(this.t); } } export default new App();' }, './index.mjs'],
  ['a function with fetch', 'web', { 'index.mjs': `export default Object.assign(() => {}, { ${FETCH} });` }, './index.mjs'],
  ['CommonJS with fetch', 'web', { 'a.cjs': `module.exports = { ${FETCH} };` }, './a.cjs'],
  ['both: the handler wins', 'classic', { 'index.mjs': `export const handler = ${BODY}; export default { fetch: () => new Response("no") };` }, './index.mjs'],
  [
    'a handler that uses this',
    'classic',
    { 'a.cjs': 'module.exports = { word: "ok", handler(request, response) { response.text(this.word); } };' },
    './a.cjs',
  ],
  [
    'dependencies of both kinds',
    'classic',
    {
      'index.mjs': `import c from 'common'; import { e } from 'ecma'; export const handler = (q, s) => s.text(c.c + e);`,
      'node_modules/common/index.js': 'module.exports = { c: "o" };',
      'node_modules/ecma/package.json': '{"type":"module","exports":"./e.js"}',
      'node_modules/ecma/e.js': 'export const e = "k";',
    },
    './index.mjs',
  ],
  ['top-level await', 'classic', { 'index.mjs': `await new Promise((r) => setTimeout(r, 20)); export const handler = ${BODY};` }, './index.mjs'],
];

describe('a module', { concurrency: 4 }, () => {
  for (const [what, , files, main] of FORMS) {
    it(`may be ${what}`, async (t) => {
      const manager = await serving(t, files, { main });
      assert.equal((await manager.call()).text, 'ok');
    });
  }
});

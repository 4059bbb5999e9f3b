// Makes the process the function's own (environment, folder, arguments) and imports its module.

import { spawnSync } from 'node:child_process';
import { sep, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { classicDialect } from './dialects/classic.mjs';
import { webDialect } from './dialects/web.mjs';
import { JobberError } from './errors.mjs';

/** What a function needs of the process's own environment to run programs and write temporary files. */
const KEPT = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG'];

/** How long looking for the place of a syntax error may take. */
const CHECK_TIMEOUT_MS = 5_000;

/**
 * How a module is called.
 * @typedef {object} Dialect
 * @property {'classic' | 'web'} name
 * @property {(invocation: import('./invocation.mjs').Invocation) => void} handle runs one invocation; never throws
 */

/**
 * What importing needs to know.
 * @typedef {object} Assignment
 * @property {string} directory
 * @property {string} main
 * @property {Record<string, string>} environment
 * @property {{concurrency: number, timeoutMs: number, bufferedBodyBytes: number}} limits
 */

/** An error of the function's own, with the phase in which it happened. */
export class LoadError extends Error {
  /**
   * @param {'files' | 'import' | 'exports'} phase
   * @param {unknown} cause
   */
  constructor(phase, cause) {
    super(`loading failed: ${phase}`, { cause });
    this.phase = phase;
  }
}

/** @param {Record<string, string>} environment */
function replaceEnvironment(environment) {
  for (const name of Object.keys(process.env)) {
    if (!KEPT.includes(name)) delete process.env[name];
  }
  Object.assign(process.env, environment);
}

/**
 * @param {Assignment} assignment
 * @returns {Promise<Dialect>}
 * @throws {LoadError}
 */
export async function load(assignment) {
  const { directory, main, environment } = assignment;
  const file = resolve(directory, main);
  if (!file.startsWith(directory.endsWith(sep) ? directory : directory + sep)) {
    throw new LoadError('files', new JobberError('bad-path', `main is outside of the package: ${main}`));
  }
  process.chdir(directory);
  replaceEnvironment(environment);
  process.argv = [process.execPath, file];
  let module;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new LoadError('import', locateSyntaxError(error, file));
  }
  const dialect = findDialect(module, assignment);
  if (dialect === null) {
    const has = Object.keys(module).join(', ') || 'nothing';
    const message =
      `${main} exports no handler: it needs \`export function handler(request, response, context)\` ` +
      `or \`export default { fetch(request, env, context) }\`; it exports ${has}`;
    throw new LoadError('exports', new JobberError('no-handler', message));
  }
  return dialect;
}

/**
 * The stack of a syntax error does not say where it is; only Node's own output does. The file that is most likely is
 * checked in a process of its own.
 * @param {unknown} error
 * @param {string} file
 */
function locateSyntaxError(error, file) {
  if (!(error instanceof SyntaxError) || error.stack?.includes(file)) return error;
  const options = { encoding: /** @type {const} */ ('utf8'), timeout: CHECK_TIMEOUT_MS, maxBuffer: 65_536 };
  const { stderr } = spawnSync(process.execPath, ['--check', file], options);
  const place = stderr?.split('\n\n', 1)[0];
  if (place?.includes(file)) error.stack = `${place}\n\n${error.stack}`;
  return error;
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function hasMembers(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/**
 * Finds what to call. `handler` wins over a default export with `fetch`. CommonJS shows up as `default`, and what a
 * compiler made of an ES module has its own `default` in there.
 * @param {Record<string, unknown>} module
 * @param {Assignment} assignment
 * @returns {Dialect | null}
 */
export function findDialect(module, assignment) {
  const outer = module.default;
  const inner = hasMembers(outer) && outer.__esModule === true ? outer.default : undefined;
  for (const place of [module, outer, inner]) {
    if (!hasMembers(place) || typeof place.handler !== 'function') continue;
    // A method keeps its `this`: also one that Node has found inside `module.exports` and shows as a named export.
    const owner = place === module && hasMembers(outer) && outer.handler === place.handler ? outer : place;
    const handler = owner === module ? place.handler : place.handler.bind(owner);
    return classicDialect(/** @type {any} */ (handler), assignment);
  }
  for (const place of [outer, inner]) {
    if (!hasMembers(place)) continue;
    if (['fetch', 'scheduled', 'mqtt'].some((name) => typeof place[name] === 'function')) {
      return webDialect(place, assignment);
    }
  }
  return null;
}

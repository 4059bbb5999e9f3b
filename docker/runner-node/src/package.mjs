// Writes the package's files as they arrive. Writing is synchronous on purpose: nothing else happens in a runner that is
// being loaded, frames stay in order by themselves, and it is the quickest way to write many small files.

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { JobberError } from './errors.mjs';

/** Receives the files of one package. */
export class PackageWriter {
  #directory;
  #files = 0;
  #bytes = 0;
  /** @type {{fd: number, path: string, left: number} | null} */
  #open = null;
  /** @type {Set<string>} */
  #made = new Set();

  /** @param {string} directory where the package goes; exists and is empty */
  constructor(directory) {
    this.#directory = directory;
  }

  /**
   * Begins a file.
   * @param {{path: unknown, size: unknown, executable?: unknown}} head
   * @param {Buffer} first its first part
   * @throws {JobberError}
   */
  begin(head, first) {
    this.#complete();
    const { path, size, executable } = head;
    checkPath(path);
    if (!Number.isSafeInteger(size) || Number(size) < 0) throw new JobberError('bad-file', `${path} has no size`);
    const target = join(this.#directory, path);
    const folder = dirname(target);
    if (!this.#made.has(folder)) {
      mkdirSync(folder, { recursive: true });
      this.#made.add(folder);
    }
    const fd = openSync(target, 'wx', executable === true ? 0o755 : 0o644);
    this.#open = { fd, path, left: Number(size) };
    this.#files += 1;
    this.append(first);
  }

  /**
   * The next part of the file that was begun last.
   * @param {Buffer} part
   * @throws {JobberError}
   */
  append(part) {
    const open = this.#open;
    if (open === null) throw new JobberError('bad-file', 'data of a file that was not begun');
    if (part.length > open.left) throw new JobberError('bad-file', `${open.path} is longer than announced`);
    for (let at = 0; at < part.length; ) at += writeSync(open.fd, part, at);
    open.left -= part.length;
    this.#bytes += part.length;
    if (open.left === 0) {
      closeSync(open.fd);
      this.#open = null;
    }
  }

  /**
   * Checks that everything announced has come.
   * @param {number} files
   * @param {number} bytes
   * @throws {JobberError}
   */
  finish(files, bytes) {
    this.#complete();
    if (this.#files !== files || this.#bytes !== bytes) {
      const got = `${this.#files} files with ${this.#bytes} bytes`;
      throw new JobberError('bad-file', `${got} have come where ${files} with ${bytes} were announced`);
    }
  }

  #complete() {
    if (this.#open !== null) throw new JobberError('bad-file', `${this.#open.path} is shorter than announced`);
  }
}

/**
 * Refuses every path that could lead out of the package's folder. The manager has checked them already; a runner does
 * not rely on it.
 * @param {unknown} path
 * @returns {asserts path is string}
 */
export function checkPath(path) {
  const good =
    typeof path === 'string' &&
    path !== '' &&
    !/[\\\0]|^[a-z]:/i.test(path) &&
    path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (!good) throw new JobberError('bad-path', `a path that is not allowed: ${JSON.stringify(path)}`);
}

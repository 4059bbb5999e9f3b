// The golden frames: examples of every frame type, from which `generate.mjs` makes `actors/testdata/frames/frames.json`.
// Those that must be refused are in `malformed.mjs`.

import { CALLS } from './golden-calls.mjs';
import { INVOCATIONS } from './golden-invocations.mjs';
import { INVOCATION, failure } from './values.mjs';

/** @typedef {import('./values.mjs').Example} Example */

const JOB = '0197a6f0-0000-7000-8000-000000000001';
const VERSION = '0197a6f0-0000-7000-8000-000000000002';
const RUNNER = '0197a6f0-0000-7000-8000-000000000004';

/** @type {Example[]} */
export const EXAMPLES = [
  {
    name: 'hello',
    from: 'runner',
    type: 'HELLO',
    code: 0x01,
    head: { protocol: 1, token: '0f'.repeat(32), runtime: 'node', runtimeVersion: '22.1.0', pid: 7 },
  },
  {
    name: 'hello of a runner that takes messages',
    from: 'runner',
    type: 'HELLO',
    code: 0x01,
    head: { protocol: 1, token: '0f'.repeat(32), runtime: 'node', runtimeVersion: '22.1.0', pid: 7, accepts: ['message'] },
  },
  {
    name: 'welcome',
    from: 'manager',
    type: 'WELCOME',
    code: 0x02,
    head: { protocol: 1, runnerId: RUNNER, credit: 262144 },
  },
  {
    name: 'assign',
    from: 'manager',
    type: 'ASSIGN',
    code: 0x03,
    head: {
      job: { id: JOB, name: 'hello-http' },
      version: { id: VERSION, name: '1.2.0' },
      main: './dist/index.js',
      files: 2,
      bytes: 30,
      limits: { concurrency: 100, timeoutMs: 60000, bufferedBodyBytes: 10485760 },
    },
    bodyUtf8: '{"GREETING":"grüß dich","EMPTY":""}',
  },
  {
    name: 'file, whole',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'package.json', size: 2, executable: false },
    bodyUtf8: '{}',
  },
  {
    name: 'file, empty',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'dist/empty', size: 0, executable: false },
  },
  {
    name: 'file, its first part',
    from: 'manager',
    type: 'FILE',
    code: 0x04,
    head: { path: 'bin/tööl', size: 6, executable: true },
    bodyHex: '00ff7f',
  },
  { name: 'file data', from: 'manager', type: 'FILE_DATA', code: 0x05, head: {}, bodyHex: '80feff' },
  { name: 'file data, head of length 0', from: 'manager', type: 'FILE_DATA', code: 0x05, head: null, bodyHex: '80feff' },
  { name: 'load', from: 'manager', type: 'LOAD', code: 0x06, head: null },
  { name: 'ready', from: 'runner', type: 'READY', code: 0x07, head: { importMs: 12, dialect: 'classic' } },
  { name: 'ready, web', from: 'runner', type: 'READY', code: 0x07, head: { importMs: 0.75, dialect: 'web' } },
  { name: 'rejected', from: 'runner', type: 'REJECTED', code: 0x08, head: { phase: 'import', error: failure } },
  {
    name: 'rejected, with a code',
    from: 'runner',
    type: 'REJECTED',
    code: 0x08,
    head: {
      phase: 'exports',
      error: { name: 'Error', message: 'the module exports no handler', stack: '', code: 'no-handler' },
    },
  },
  ...INVOCATIONS,
  {
    name: 'log, of an invocation',
    from: 'runner',
    type: 'LOG',
    code: 0x20,
    head: { invocation: INVOCATION, stream: 'stdout', time: '2026-01-01T00:00:00.123Z' },
    bodyUtf8: 'two\nlines',
  },
  {
    name: 'log, with level and fields',
    from: 'runner',
    type: 'LOG',
    code: 0x20,
    head: { stream: 'stderr', level: 'error', time: '2026-01-01T00:00:00.124Z', fields: { user: 7 }, dropped: 12 },
    bodyUtf8: 'äh',
  },
  { name: 'memory', from: 'runner', type: 'MEMORY', code: 0x21, head: { peakBytes: 73400320 } },
  { name: 'ping from the manager', from: 'manager', type: 'PING', code: 0x30, head: null, bodyHex: '0102030405060708' },
  { name: 'pong from the runner', from: 'runner', type: 'PONG', code: 0x31, head: null, bodyHex: '0102030405060708' },
  { name: 'ping from the runner, empty', from: 'runner', type: 'PING', code: 0x30, head: {} },
  { name: 'pong from the manager, empty', from: 'manager', type: 'PONG', code: 0x31, head: null },
  ...CALLS,
  { name: 'drain', from: 'manager', type: 'DRAIN', code: 0x50, head: null },
  { name: 'shutdown', from: 'manager', type: 'SHUTDOWN', code: 0x51, head: { graceMs: 5000 } },
  {
    name: 'unknown flags and unknown fields are ignored',
    from: 'manager',
    type: 'CANCEL',
    code: 0x13,
    flags: 0xf0,
    stream: 13,
    head: { reason: 'timeout', later: [1, { two: null }] },
  },
];

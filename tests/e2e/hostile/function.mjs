// A function that means harm. Each request has it try one thing, and tells what came of it.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';

const RUNTIME = '/opt/jobber/runtime/src';

const tries = { rights, files, visible, spawned, release, eat, routes, reach, speak, tokens, store, rubbish };
// What other functions would get through to.
const listener = net.createServer((socket) => {
  // Who only looks whether it is open ends it in whatever way.
  socket.on('error', () => {});
  socket.end('inside');
});
listener.listen(7000, '0.0.0.0');
await new Promise((done) => listener.on('listening', done));

export async function handler(request, response, context) {
  const attempt = tries[request.query('try')];
  response.json((await attempt((name) => request.query(name), context)) ?? null);
}

/** What the kernel says of this process, and what programs say that want more than it has. */
function rights() {
  const status = Object.fromEntries(
    fs
      .readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .map((line) => line.split(/:\s*/)),
  );
  const perl = (code) => ['perl', '-MSocket', '-e', code];
  const commands = {
    'mount a filesystem': ['mount', '-t', 'tmpfs', 'none', '/mnt'],
    'mount the root again': ['mount', '-o', 'remount,rw', '/'],
    'a mount namespace': ['unshare', '--mount', 'true'],
    'a user namespace': ['unshare', '--user', 'true'],
    'a network namespace': ['unshare', '--net', 'true'],
    'another root': ['chroot', '/', 'true'],
    'another user': ['setpriv', '--reuid', '0', 'true'],
    'a disk': ['mknod', '/tmp/disk', 'b', '254', '0'],
    'the log of the kernel': ['dmesg'],
    'a raw socket': perl('socket(S, PF_INET, SOCK_RAW, 1) or die $!'),
    'a packet socket': perl('socket(S, 17, SOCK_RAW, 3) or die $!'),
    // ptrace(PTRACE_ATTACH) of a process that is not its own: there is none with such a number.
    'a process of somebody else': perl('syscall(101, 16, 4194304, 0, 0) == 0 or die $!'),
    'the keys of the kernel': perl('syscall(250, 0, -4, 1) >= 0 or die $!'),
    'a program in the kernel': perl('syscall(321, 0, 0, 0) >= 0 or die $!'),
    'another name of the host': ['hostname', 'owned'],
  };
  const refused = {};
  for (const [what, [program, ...args]] of Object.entries(commands)) {
    const ended = spawnSync(program, args, { encoding: 'utf8' });
    refused[what] = { missing: ended.error?.code === 'ENOENT', code: ended.status };
  }
  return { status, refused, possible: spawnSync('perl', ['-e', 'exit 0']).status, seccomp: status.Seccomp };
}

/** Tries to write everywhere. */
function files() {
  const opened = [];
  let tried = 0;
  const open = (file) => {
    tried += 1;
    try {
      fs.closeSync(fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
      opened.push(file);
    } catch {
      // As it should be.
    }
  };
  const made = [];
  const sockets = [];
  walk('/', (entry, file) => {
    if (entry.isSocket()) sockets.push(file);
    // What Docker masks is a device where a folder lists a file: it keeps nothing.
    if (entry.isFile() && fs.lstatSync(file, { throwIfNoEntry: false })?.isFile()) open(file);
    if (!entry.isDirectory()) return true;
    // The kernel's processes are looked at elsewhere.
    if (/^\/proc\/(\d+|self|thread-self)$/.test(file)) return false;
    try {
      fs.writeFileSync(path.join(file, 'written-by-nobody'), 'x');
      fs.unlinkSync(path.join(file, 'written-by-nobody'));
      made.push(file);
    } catch {
      tried += 1;
    }
    return true;
  });
  fs.writeFileSync('/tmp/program', '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  let bytes = 0;
  let full = null;
  try {
    for (; bytes < 1 << 28; bytes += 1 << 20) fs.appendFileSync('/tmp/big', Buffer.alloc(1 << 20));
  } catch (error) {
    full = error.code;
  }
  fs.unlinkSync('/tmp/big');
  return {
    tried,
    opened,
    made,
    sockets,
    program: spawnSync('/tmp/program').error?.code ?? 'ran',
    tmp: { bytes, full },
    score: codeOf(() => fs.writeFileSync('/proc/self/oom_score_adj', '-500')),
  };
}

/** What can be read of processes, the host and others' packages. */
function visible() {
  const read = (file) => {
    try {
      return fs.readFileSync(file, 'utf8').replaceAll('\0', ' ');
    } catch (error) {
      return error.code;
    }
  };
  const numbers = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const names = [];
  walk('/', (entry, file) => {
    if (file === '/proc' || file === '/sys') return false;
    names.push(file);
    return true;
  });
  return {
    processes: numbers.map((number) => ({
      command: read(`/proc/${number}/cmdline`),
      environment: read(`/proc/${number}/environ`),
    })),
    input: codeOf(() => fs.readSync(0, Buffer.alloc(16))),
    groups: read('/proc/self/cgroup'),
    masked: ['/proc/kcore', '/proc/keys', '/proc/timer_list'].map((file) => read(file)),
    package: fs.readdirSync('/app'),
    names: names.filter((name) => /neighbour|docker\.sock|admin-token|master-key/.test(name)),
  };
}

const children = [];

/** As many processes as there may be. They stay until they are let go. */
async function spawned() {
  let code = null;
  while (code === null && children.length < 500) {
    const child = spawn('sleep', ['120'], { stdio: 'ignore' });
    code = await new Promise((done) => {
      child.on('spawn', () => done(null));
      child.on('error', (error) => done(error.code));
    });
    if (code === null) children.push(child);
  }
  return { count: children.length, code };
}

async function release() {
  const gone = children.map((child) => new Promise((done) => child.on('exit', done)));
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(gone);
  return { count: gone.length };
}

function eat() {
  for (const kept = []; ; ) kept.push(Buffer.alloc(4 << 20, 1));
}

/** Where packets can go, and who listens here. */
function routes() {
  const lines = (file) => fs.readFileSync(file, 'utf8').trim().split('\n').slice(1);
  const sockets = lines('/proc/net/tcp').concat(lines('/proc/net/tcp6'));
  return {
    routes: fs.readFileSync('/proc/net/route', 'utf8'),
    interfaces: Object.keys(os.networkInterfaces()),
    address: Object.values(os.networkInterfaces())
      .flat()
      .find((address) => !address.internal).address,
    listening: sockets
      .map((line) => line.trim().split(/\s+/))
      // 127.0.0.11 is Docker's name server, which it puts into every container of a network.
      .filter(([, address, , state]) => state === '0A' && !address.startsWith('0B00007F'))
      .map(([, address]) => parseInt(address.split(':')[1], 16)),
    manager: manager(),
  };
}

/** The other end of the runner's own session. */
function session() {
  return process._getActiveHandles().find((handle) => handle instanceof net.Socket && handle.remotePort);
}

function manager() {
  const { remoteAddress: host, remotePort: port } = session();
  return { host, port };
}

/** What comes of a connection. */
function reach(query) {
  return new Promise((done) => {
    const socket = net.connect(Number(query('port')), query('host'));
    const end = (what) => {
      socket.destroy();
      done(what);
    };
    socket.setTimeout(2000, () => end('no way'));
    socket.on('connect', () => end('connected'));
    socket.on('error', (error) => end(error.code));
  });
}

/** The tokens that this process still has somewhere: what looks like one in its own memory. */
async function tokens() {
  const found = new Set();
  let rest = '';
  for await (const part of v8.getHeapSnapshot()) {
    const text = rest + part.toString('latin1');
    for (const [token] of text.matchAll(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g)) found.add(token);
    rest = text.slice(-128);
  }
  return [...found].slice(0, 16);
}

/** Says HELLO to the manager with tokens, and tells what it was answered. */
async function speak(query) {
  const { TYPE, writePrefix } = await import(`${RUNTIME}/frames.mjs`);
  const { host, port } = manager();
  const answers = [];
  for (const token of query('tokens').split(',')) {
    const head = JSON.stringify({ protocol: 1, token, runtime: 'node', runtimeVersion: '20.0.0', pid: 1 });
    const frame = Buffer.alloc(12 + Buffer.byteLength(head));
    writePrefix(frame, 0, TYPE.HELLO, 0, 0, Buffer.byteLength(head), 0);
    frame.write(head, 12);
    answers.push(
      await new Promise((done) => {
        const socket = net.connect(port, host, () => socket.write(frame));
        socket.setTimeout(10_000, () => done('silence'));
        socket.on('data', (bytes) => done(`a frame of type ${bytes[4]}`));
        socket.on('error', (error) => done(error.code));
        socket.on('close', () => done('closed'));
      }),
    );
  }
  return answers;
}

/** Reads and writes an item, with calls that claim to be another job's. */
async function store(query, context) {
  await context.setStoreJson('treasure', 'mine');
  const stringify = JSON.stringify;
  const claim = { job: query('job'), jobId: query('job'), jobName: query('name'), namespace: query('name') };
  JSON.stringify = (value, ...rest) =>
    stringify(/^store\./.test(value?.method) ? { ...value, ...claim } : value, ...rest);
  const outcome = async (call) => {
    try {
      return (await call()) ?? null;
    } catch (error) {
      return error.code ?? error.message;
    }
  };
  try {
    const read = await outcome(() => context.getStoreJson('treasure'));
    const list = await outcome(() => context.list(''));
    await outcome(() => context.setStoreJson('treasure', 'stolen'));
    await outcome(() => context.deleteStore('other'));
    return { read: read?.value ?? read, keys: list?.items?.map((item) => item.key) ?? list };
  } finally {
    JSON.stringify = stringify;
  }
}

/** Speaks nonsense on its own session. */
async function rubbish() {
  session().write(Buffer.alloc(4096, 0xff));
  await new Promise(() => {});
}

function codeOf(attempt) {
  try {
    return attempt();
  } catch (error) {
    return error.code;
  }
}

/** Goes through all folders without following links. `visit` says whether to go into one. */
function walk(folder, visit) {
  let entries;
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (visit(entry, file) && entry.isDirectory()) walk(file, visit);
  }
}

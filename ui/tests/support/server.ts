/** Starts the server and, where it does not serve the panel itself, a preview of what was built, for all tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Api } from './api';
import { seed } from './seed';

const READY_WITHIN = 60_000;

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + READY_WITHIN;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited ${READY_WITHIN} ms in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

interface Started {
  url: string;
  gateway: string;
  token: string;
  database: string;
}

function start(binary: string, folder: string): ChildProcess {
  const output = openSync(join(folder, 'server.log'), 'w');
  const ports = ['--admin-port', '0', '--gateway-port', '0', '--manager-port', '0'];
  const examples = ['hello-http', 'mqtt-echo', 'schedule-report'].map((name) => join(folder, 'examples', name));
  return spawn(binary, ['dev', '--data', join(folder, 'data'), ...ports, ...examples], {
    cwd: folder, stdio: ['ignore', output, output],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
}

async function panel(server: string): Promise<{ url: string; close: () => Promise<void> }> {
  const answer = await fetch(`${server}/`);
  // A server that was built with the panel has it at its root.
  if ((await answer.text()).includes('id="root"')) return { url: server, close: async () => undefined };
  process.env.JOBBER_URL = server;
  process.env.JOBBER_UI_PORT = '0';
  const { preview } = await import('vite');
  const served = await preview({ root: resolve(import.meta.dirname, '../..'), preview: { strictPort: false } });
  const address = served.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('the preview has no port');
  return { url: `http://127.0.0.1:${address.port}`, close: () => served.close() };
}

export default async function setup(): Promise<() => Promise<void>> {
  const binary = process.env.JOBBER_BIN ?? resolve(import.meta.dirname, '../../../target/debug/jobber');
  if (!existsSync(binary)) throw new Error(`JOBBER_BIN names no program: ${binary}`);
  const folder = mkdtempSync(join(tmpdir(), 'jobber-ui-'));
  // Its Postgres runs as another user where the tests are run by root.
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'data'));
  cpSync(resolve(import.meta.dirname, '../../../examples'), join(folder, 'examples'), { recursive: true });
  const child = start(binary, folder);
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const file = join(folder, 'data', 'dev.json');
    const started = await until('the server starts', () => {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${readFileSync(join(folder, 'server.log'), 'utf8')}`);
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Started) : undefined;
    });
    const api = new Api(started.url, started.token);
    await until('the examples serve', async () => {
      const jobs = await api.get<{ data: { version: string | null }[] }>('/api/job').catch(() => undefined);
      return jobs !== undefined && jobs.data.filter((job) => job.version !== null).length === 3 ? jobs : undefined;
    });
    await seed(api, started.gateway);
    const shown = await panel(started.url);
    process.env.JOBBER_UI_BASE = shown.url;
    process.env.JOBBER_API = started.url;
    process.env.JOBBER_TOKEN = started.token;
    process.env.JOBBER_GATEWAY = started.gateway;
    process.env.JOBBER_DATABASE = started.database;
    return async () => {
      await shown.close();
      await stop();
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

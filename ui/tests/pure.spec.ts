/** What decides without a browser: permissions, routes, `.env` files, streams of events, what differs. */
import { expect, test } from '@playwright/test';
import { EventReader } from '../src/api/events';
import type { HttpTrigger, Identity } from '../src/api/models';
import { Gathered, type Live, concerns } from '../src/live/topics';
import { parseDotenv } from '../src/pages/job/dotenv';
import { fileChanges } from '../src/pages/job/file-list';
import { matchRoutes } from '../src/pages/job/routes';
import { may, maySome } from '../src/session/permissions';

type Lines = Identity['permissions'];
const who = (permissions: Lines, tokenPermissions?: Lines): Identity => ({ permissions, gateway: { port: 3001 }, ...(tokenPermissions ? { tokenPermissions } : {}) });
const allow = (resource: string, ...actions: Lines[number]['actions']): Lines[number] => ({ effect: 'allow', resource, actions });
const deny = (resource: string, ...actions: Lines[number]['actions']): Lines[number] => ({ effect: 'deny', resource, actions });
const SHOP = ['0190-id', 'shop'];

test.describe('permissions', () => {
  test('nothing is allowed that no line allows, and a pattern covers what begins with it', () => {
    const me = who([allow('job/shop', 'read')]);
    expect(may(me, 'read', ['job', SHOP, 'logs'])).toBe(true);
    expect(may(me, 'write', ['job', SHOP])).toBe(false);
    expect(may(me, 'read', ['job', ['x', 'other']])).toBe(false);
    expect(may(who([]), 'read', ['job', SHOP])).toBe(false);
  });

  test('a line that denies wins, wherever it stands', () => {
    const me = who([deny('job/*/environment', 'read'), allow('*', 'read', 'write', 'delete')]);
    expect(may(me, 'read', ['job', SHOP, 'environment', 'A'])).toBe(false);
    expect(may(me, 'write', ['job', SHOP, 'environment', 'A'])).toBe(true);
    expect(maySome(me, 'read', ['job', '*', 'environment', '*'])).toBe(false);
  });

  test('a scoped name is written with its escape, and an id does as well as a name', () => {
    expect(may(who([allow('job/@acme%2Fshop', 'read')]), 'read', ['job', ['id', '@acme/shop']])).toBe(true);
    expect(may(who([allow('job/0190-id', 'read')]), 'read', ['job', SHOP])).toBe(true);
  });

  test('a page is offered if some of what it shows may be seen', () => {
    const me = who([allow('job/shop/logs', 'read')]);
    expect(maySome(me, 'read', ['job', '*', 'logs'])).toBe(true);
    expect(maySome(me, 'read', ['job', '*'])).toBe(true);
    expect(maySome(me, 'read', ['job', '*', 'store', '*'])).toBe(false);
  });

  test('a token may what both its own list and its user’s allow', () => {
    const me = who([allow('*', 'read', 'write')], [allow('job/*', 'read')]);
    expect(may(me, 'read', ['job', SHOP])).toBe(true);
    expect(may(me, 'write', ['job', SHOP])).toBe(false);
    expect(may(me, 'read', ['system', 'config'])).toBe(false);
  });
});

test.describe('routes', () => {
  const route = (method: string | null, path: string | null, hostname: string | null = null): HttpTrigger => ({ id: `${method} ${path}`, jobId: '', versionId: '', version: '', type: 'http', method, path, hostname });
  const ask = (routes: HttpTrigger[], method: string, path: string, host: string | null = null) => matchRoutes(routes, { method, path, host });

  test('the most specific one wins, as the reference has it', () => {
    const routes = [route('GET', '/*all'), route('GET', '^/users/v[0-9]+$'), route('GET', '/users/*rest'), route('GET', '/users/:id'), route('GET', '/users/me')];
    for (const [path, pattern] of [['/users/me', '/users/me'], ['/users/7', '/users/:id'], ['/users/v7', '^/users/v[0-9]+$'], ['/users/7/posts', '/users/*rest'], ['/else', '/*all']] as const) {
      expect(ask(routes, 'GET', path), path).toMatchObject({ kind: 'route', trigger: { path: pattern } });
    }
  });

  test('parameters are decoded, and slashes at the end count', () => {
    const routes = [route('GET', '/a/:id'), route('GET', '/files/*rest'), route('GET', '^/v(?<major>[0-9]+)/')];
    expect(ask(routes, 'GET', '/a/c%20d?x=1')).toMatchObject({ kind: 'route', params: { id: 'c d' } });
    expect(ask(routes, 'GET', '/a/c/').kind).toBe('none');
    expect(ask(routes, 'GET', '/a/').kind).toBe('none');
    expect(ask(routes, 'GET', '/files/x/y')).toMatchObject({ params: { rest: 'x/y' } });
    expect(ask(routes, 'GET', '/files/')).toMatchObject({ params: { rest: '' } });
    expect(ask(routes, 'GET', '/files').kind).toBe('none');
    expect(ask(routes, 'GET', '/v12/orders')).toMatchObject({ params: { major: '12' } });
    expect(ask(routes, 'GET', '/a/%').kind).toBe('none');
  });

  test('a named host and a named method go before any, and HEAD goes to GET', () => {
    const routes = [route(null, '/a'), route('GET', '/a'), route('GET', '/:any', 'example.org'), route('POST', '/b')];
    expect(ask(routes, 'GET', '/a')).toMatchObject({ trigger: { method: 'GET', path: '/a' } });
    expect(ask(routes, 'PUT', '/a')).toMatchObject({ trigger: { method: null } });
    expect(ask(routes, 'GET', '/a', 'Example.org')).toMatchObject({ trigger: { path: '/:any' } });
    expect(ask([route('GET', '/c')], 'HEAD', '/c').kind).toBe('route');
    expect(ask(routes, 'GET', '/b')).toEqual({ kind: 'method', allowed: ['POST'] });
  });
});

test.describe('a .env', () => {
  test('has quotes, comments, exports and values of several lines', () => {
    const { entries, faults } = parseDotenv('# one\nexport a=1 # why\nB="x\\ny"\nC=\'a # b\'\nD="two\nlines"\nE=\n');
    expect(faults).toEqual([]);
    expect(entries).toEqual([
      { name: 'A', value: '1' }, { name: 'B', value: 'x\ny' }, { name: 'C', value: 'a # b' }, { name: 'D', value: 'two\nlines' }, { name: 'E', value: '' },
    ]);
  });

  test('that is none says where', () => {
    expect(parseDotenv('A=1\nwhat').faults).toEqual(['Line 2 is no NAME=value']);
    expect(parseDotenv('A="open').faults).toEqual(['Line 1 has a quote that is not closed']);
  });
});

test('events are the same however the stream is cut', () => {
  const text = ': hello\n\nid: 1\ndata: {"a":1}\n\nevent: end\ndata: one\r\ndata: two\r\n\r\nid: 3\ndata: last';
  const expected = [{ id: '1', event: 'message', data: '{"a":1}' }, { id: '1', event: 'end', data: 'one\ntwo' }];
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new EventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...reader.push(text.slice(at, at + size)));
    expect(found).toEqual(expected);
  }
});

test.describe('what changes', () => {
  const changed = (...events: Parameters<Gathered['add']>[0][]) => {
    const gathered = new Gathered();
    for (const event of events) gathered.add(event);
    return gathered.take();
  };
  const live = (topics: Live['topics'], job?: string): Live => ({ topics, job });

  test('concerns what is about it, and of its job', () => {
    const news = changed({ topic: 'logs', jobs: ['a'] }, { topic: 'logs', jobs: ['b'] });
    expect(concerns(news, live(['logs', 'runners'], 'a'), undefined)).toBe(true);
    expect(concerns(news, live(['logs'], 'b'), undefined)).toBe(true);
    expect(concerns(news, live(['logs'], 'c'), undefined)).toBe(false);
    expect(concerns(news, live(['logs']), undefined)).toBe(true);
    expect(concerns(news, live(['runners']), undefined)).toBe(false);
    expect(concerns(news, undefined, undefined)).toBe(false);
  });

  test('may be any job’s, and stays that', () => {
    const news = changed({ topic: 'jobs', jobs: null }, { topic: 'jobs', jobs: ['a'] });
    expect(concerns(news, live(['jobs'], 'b'), undefined)).toBe(true);
  });

  test('concerns nothing that can not change any more', () => {
    const news = changed({ topic: 'invocations', jobs: ['a'] });
    const open: Live = { topics: (found) => (found === 'open' ? ['invocations'] : []) };
    expect(concerns(news, open, 'open')).toBe(true);
    expect(concerns(news, open, 'over')).toBe(false);
  });

  test('is taken once', () => {
    const gathered = new Gathered();
    gathered.add({ topic: 'health', jobs: null });
    expect(gathered.take().size).toBe(1);
    expect(gathered.take().size).toBe(0);
  });
});

test('files of two versions differ by path, size or checksum', () => {
  const file = (path: string, bytes: number, crc32: string) => ({ path, bytes, crc32 });
  const before = [file('a', 1, '01'), file('gone', 2, '02'), file('same', 3, '03'), file('text', 4, '04')];
  const after = [file('a', 1, 'ff'), file('new', 5, '05'), file('same', 3, '03'), file('text', 6, '04')];
  expect(fileChanges(before, after)).toEqual([
    { path: 'a', what: 'changed', before: 1, after: 1 },
    { path: 'gone', what: 'removed', before: 2, after: null },
    { path: 'new', what: 'added', before: null, after: 5 },
    { path: 'text', what: 'changed', before: 4, after: 6 },
  ]);
  expect(fileChanges([], before)).toHaveLength(4);
});

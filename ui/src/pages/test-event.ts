import type { Trigger } from '../api/models';
import { isRecord } from '../api/failure';
import type { components } from '../api/schema';

export type TestEvent = components['schemas']['TestEvent'];

/** What the form of the page of tests holds, whichever kind of event it makes. */
export interface Draft {
  method: string;
  path: string;
  /** One field a line, `name: value`. */
  headers: string;
  topic: string;
  qos: string;
  retain: boolean;
  /** A local time as its field has it; empty is now. */
  at: string;
  /** Whether the body is written in base64. */
  base64: boolean;
  body: string;
}

/** An event that starts this trigger, as far as its route or topic says which do. */
export function firstDraft(trigger: Trigger): Draft {
  const blank: Draft = { method: 'GET', path: '/', headers: '', topic: '', qos: '1', retain: false, at: '', base64: false, body: '' };
  if (trigger.type === 'http') {
    const method = trigger.method ?? 'GET';
    const path = trigger.path == null || trigger.path.startsWith('^') ? '/' : trigger.path.replace(/[:*][A-Za-z0-9_]+/g, 'test');
    const withBody = ['POST', 'PUT', 'PATCH'].includes(method);
    return { ...blank, method, path, headers: withBody ? 'content-type: application/json' : '', body: withBody ? '{}' : '' };
  }
  if (trigger.type === 'mqtt') {
    const filter = (trigger.topics[0] ?? 'test').replace(/^\$share\/[^/]+\//, '');
    return { ...blank, topic: filter.replace('#', 'test').replaceAll('+', 'test'), body: '{}' };
  }
  return blank;
}

/** The event as the API takes it, or what is wrong with the form. */
export function eventOf(kind: Trigger['type'], draft: Draft): TestEvent | string {
  if (kind === 'schedule') {
    if (draft.at === '') return { schedule: {} };
    const at = new Date(draft.at);
    return Number.isNaN(at.getTime()) ? 'The instant is no time.' : { schedule: { scheduledAt: at.toISOString() } };
  }
  if (kind === 'mqtt') {
    const payload = draft.base64 ? { payloadBase64: draft.body } : { payload: draft.body };
    return { mqtt: { topic: draft.topic, qos: Number(draft.qos), retain: draft.retain, ...payload } };
  }
  const headers = headerLines(draft.headers);
  if (typeof headers === 'string') return headers;
  const body = draft.body === '' ? {} : draft.base64 ? { bodyBase64: draft.body } : { body: draft.body };
  return { http: { method: draft.method, path: draft.path, headers, ...body } };
}

/** Header fields of lines, or the line that is none. */
export function headerLines(text: string): string[][] | string {
  const pairs: string[][] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    if (colon < 1) return `“${line.trim()}” is no header field: write “name: value”.`;
    pairs.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return pairs;
}

/** A draft that was saved as text, on top of one that has all fields. */
export function restored(saved: string, under: Draft): Draft {
  try {
    const parsed: unknown = JSON.parse(saved);
    if (!isRecord(parsed)) return under;
    const known = Object.entries(under).map(([name, value]) => [name, typeof parsed[name] === typeof value ? parsed[name] : value]);
    return Object.fromEntries(known) as Draft;
  } catch {
    return under;
  }
}

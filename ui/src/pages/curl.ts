import type { HttpTrigger, OpenedInvocation } from '../api/models';
import { isRecord } from '../api/failure';
import { quoted } from '../components/format';

/** Header fields that curl makes by itself or that belong to one connection. */
const OWN = new Set(['host', 'content-length', 'connection', 'accept-encoding', 'user-agent', 'traceparent', 'tracestate', 'transfer-encoding', 'expect']);

/** The call as a command; without the kept input, only its method and path. Null for what is no call. */
export function curlOf(invocation: OpenedInvocation, trigger: HttpTrigger | undefined, gateway: string): string | null {
  if (invocation.type !== 'http') return null;
  const [method = 'GET', path = '/'] = invocation.subject.split(' ');
  const captured = isRecord(invocation.payload?.input) ? invocation.payload.input : {};
  const input = isRecord(captured.http) ? captured.http : {};
  const target = typeof input.target === 'string' ? input.target : path;
  const base = trigger?.hostname ? gateway.replace(/\/\/[^:/]+/, `//${trigger.hostname}`) : gateway;
  const parts = ['curl'];
  if (method !== 'GET') parts.push('-X', method);
  for (const [name, value] of headersOf(input.headers)) if (!OWN.has(name.toLowerCase())) parts.push('-H', quoted(`${name}: ${value}`));
  const body = invocation.payload?.inputBody.text;
  if (body) parts.push('--data-raw', quoted(body));
  parts.push(quoted(base + (target.startsWith('/') ? target : path)));
  return parts.join(' ');
}

function headersOf(headers: unknown): [string, string][] {
  if (Array.isArray(headers)) {
    return headers.flatMap((pair: unknown) => (Array.isArray(pair) && pair.length === 2 ? [[String(pair[0]), String(pair[1])] as [string, string]] : []));
  }
  if (!isRecord(headers)) return [];
  return Object.entries(headers).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => [name, String(each)] as [string, string]));
}

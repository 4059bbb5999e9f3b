import type { HttpTrigger } from '../../api/models';

export type Hit =
  | { kind: 'route'; trigger: HttpTrigger; params: Record<string, string> }
  | { kind: 'method'; allowed: string[] }
  | { kind: 'none' };

interface Asked {
  method: string;
  path: string;
  /** Null where no host is asked for by name. */
  host: string | null;
}

type Shape = 'literal' | 'parameter' | 'rest';

function shapeOf(segment: string): Shape {
  if (/^:[\w-]+$/.test(segment)) return 'parameter';
  return segment.startsWith('*') ? 'rest' : 'literal';
}

const isRegex = (path: string): boolean => path.startsWith('^');

/** Parameters where the path fits the pattern, as docs/reference/manifest.md has it. Slashes at the end count. */
function fit(pattern: string | null | undefined, path: string): Record<string, string> | null {
  if (pattern === null || pattern === undefined) return {};
  if (isRegex(pattern)) {
    const match = new RegExp(pattern).exec(path);
    return match === null ? null : { ...match.groups };
  }
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index];
    if (value === undefined) return null;
    const shape = shapeOf(segment);
    if (shape === 'rest') {
      params[segment.slice(1) || '*'] = decodeURIComponent(given.slice(index).join('/'));
      return params;
    }
    if (shape === 'literal' ? value !== segment : value === '') return null;
    if (shape === 'parameter') params[segment.slice(1)] = decodeURIComponent(value);
  }
  return given.length === wanted.length ? params : null;
}

/** How much of a pattern stands before its first parameter, wildcard or operator. */
function fixedBeginning(pattern: string | null | undefined): number {
  if (pattern === null || pattern === undefined) return 0;
  if (isRegex(pattern)) {
    const literal = /^[^.*+?()[\]{}|\\^$]*/.exec(pattern.slice(1))?.[0] ?? '';
    // A letter that may be left out is not fixed.
    return /[*?{]/.test(pattern[1 + literal.length] ?? '') ? literal.length - 1 : literal.length;
  }
  const segments = pattern.split('/');
  const first = segments.findIndex((segment) => shapeOf(segment) !== 'literal');
  return first < 0 ? pattern.length : segments.slice(0, first).join('/').length + 1;
}

/** Smaller goes first: exact paths before parameters and wildcards, those before regular expressions, those before no path. */
function rank(pattern: string | null | undefined): string {
  if (pattern === null || pattern === undefined) return '9';
  if (isRegex(pattern)) return '8';
  return pattern.split('/').map((segment) => ({ literal: '0', parameter: '1', rest: '2' })[shapeOf(segment)]).join('');
}

function moreSpecific(one: HttpTrigger, two: HttpTrigger): number {
  return Number(Boolean(two.hostname)) - Number(Boolean(one.hostname))
    || fixedBeginning(two.path) - fixedBeginning(one.path)
    || rank(one.path).localeCompare(rank(two.path))
    || Number(Boolean(two.method)) - Number(Boolean(one.method));
}

function safely(pattern: string | null | undefined, path: string): Record<string, string> | null {
  try {
    return fit(pattern, path);
  } catch {
    // A percent sign that encodes nothing, or an expression that browsers read otherwise.
    return null;
  }
}

/** Which of a job's routes would take a request: the most specific one. Other jobs' routes are not looked at. */
export function matchRoutes(triggers: readonly HttpTrigger[], asked: Asked): Hit {
  const path = asked.path.split(/[?#]/)[0] ?? '/';
  const fitting = triggers
    .filter((trigger) => !trigger.hostname || trigger.hostname.toLowerCase() === asked.host?.toLowerCase())
    .map((trigger) => ({ trigger, params: safely(trigger.path, path) }))
    .filter((each): each is { trigger: HttpTrigger; params: Record<string, string> } => each.params !== null)
    .sort((one, two) => moreSpecific(one.trigger, two.trigger));
  const takes = (method: string) => fitting.find(({ trigger }) => !trigger.method || trigger.method.toUpperCase() === method);
  const found = takes(asked.method) ?? (asked.method === 'HEAD' ? takes('GET') : undefined);
  if (found !== undefined) return { kind: 'route', ...found };
  if (fitting.length > 0) return { kind: 'method', allowed: [...new Set(fitting.map(({ trigger }) => trigger.method ?? 'any'))] };
  return { kind: 'none' };
}

import type { HttpTrigger } from '../../api/models';

export type Hit =
  | { kind: 'route'; trigger: HttpTrigger; params: Record<string, string> }
  | { kind: 'method'; allowed: string[] }
  | { kind: 'none' };

/** Parameters where the path fits the pattern: `:name` is a segment, a `*` at the end is the rest. */
function fit(trigger: HttpTrigger, path: string): Record<string, string> | null {
  if (trigger.pathRegex) {
    try {
      const match = new RegExp(`^(?:${trigger.pathRegex})$`).exec(path);
      return match === null ? null : { ...match.groups };
    } catch {
      return null;
    }
  }
  const pattern = (trigger.path ?? '').split('/').filter((part) => part !== '');
  const given = path.split('/').filter((part) => part !== '');
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith('*')) {
      params[part.slice(1) || '*'] = given.slice(index).join('/');
      return params;
    }
    const value = given[index];
    if (value === undefined) return null;
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return given.length === pattern.length ? params : null;
}

/** Exact segments go before parameters, those before the rest, and all before regular expressions. */
function weight(trigger: HttpTrigger): string {
  if (trigger.pathRegex) return '9';
  return (trigger.path ?? '').split('/').map((part) => (part.startsWith('*') ? '2' : part.startsWith(':') ? '1' : '0')).join('');
}

/** Which of a job's routes would take a request, as the gateway decides it. */
export function matchRoutes(triggers: readonly HttpTrigger[], method: string, typed: string): Hit {
  const path = typed.split(/[?#]/)[0] ?? '/';
  const fitting = triggers
    .map((trigger) => ({ trigger, params: safely(trigger, path) }))
    .filter((each): each is { trigger: HttpTrigger; params: Record<string, string> } => each.params !== null)
    .sort((one, two) => weight(one.trigger).localeCompare(weight(two.trigger)));
  const named = fitting.find(({ trigger }) => trigger.method === method) ?? fitting.find(({ trigger }) => trigger.method == null);
  if (named !== undefined) return { kind: 'route', ...named };
  if (fitting.length > 0) return { kind: 'method', allowed: fitting.map(({ trigger }) => trigger.method ?? 'any') };
  return { kind: 'none' };
}

function safely(trigger: HttpTrigger, path: string): Record<string, string> | null {
  try {
    return fit(trigger, path);
  } catch {
    // A percent sign that encodes nothing.
    return null;
  }
}

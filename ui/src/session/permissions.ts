import type { Identity, Permission } from '../api/models';

export type Act = 'read' | 'write' | 'delete';

/** A segment of a resource: its name, or all names of one thing (a job's id and its name). `*` asks about some, whichever. */
export type Segment = string | readonly string[];

function names(segment: Segment): readonly string[] {
  return typeof segment === 'string' ? [segment] : segment;
}

function decoded(segment: string): string {
  try {
    const text = decodeURIComponent(segment);
    return text === 'users' ? 'user' : text;
  } catch {
    return segment;
  }
}

/** Whether a pattern matches the resource. With `some` a `*` in the resource stands for whatever would match. */
function matches(pattern: string, resource: readonly Segment[], some: boolean): boolean {
  const wanted = pattern.split('/').map(decoded);
  const compared = Math.min(wanted.length, resource.length);
  if (wanted.length > resource.length && !some) return false;
  for (let at = 0; at < compared; at += 1) {
    const want = wanted[at] ?? '';
    const have = names(resource[at] ?? '');
    if (want === '*' || have.includes(want)) continue;
    if (some && have.includes('*')) continue;
    return false;
  }
  return true;
}

function listAllows(list: readonly Permission[], act: Act, resource: readonly Segment[], some: boolean): boolean {
  const about = list.filter((line) => line.actions.includes(act));
  const allowed = about.some((line) => line.effect === 'allow' && matches(line.resource, resource, some));
  return allowed && !about.some((line) => line.effect === 'deny' && matches(line.resource, resource, false));
}

/** Whether somebody may do this: what a token may is what both its own list and its user's allow. */
export function may(me: Identity, act: Act, resource: readonly Segment[]): boolean {
  const lists = [me.permissions, ...(me.tokenPermissions ? [me.tokenPermissions] : [])];
  return lists.every((list) => listAllows(list, act, resource, false));
}

/** Whether somebody may do this to at least one such resource, as far as the lists alone tell. */
export function maySome(me: Identity, act: Act, resource: readonly Segment[]): boolean {
  const lists = [me.permissions, ...(me.tokenPermissions ? [me.tokenPermissions] : [])];
  return lists.every((list) => listAllows(list, act, resource, true));
}

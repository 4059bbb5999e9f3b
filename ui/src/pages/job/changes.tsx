import { useQuery } from '@tanstack/react-query';
import { isRecord } from '../../api/failure';
import type { JobAction, Version } from '../../api/models';
import { allTriggersQuery } from '../../api/queries';
import { bytes } from '../../components/format';
import { Table } from '../../components/table';

interface Change {
  what: string;
  before: string;
  after: string;
}

const IDS = new Set(['id', 'jobId', 'versionId', 'version', 'next']);

/** Every leaf of a document with its path, without ids. */
function leaves(value: unknown, path: string, into: Map<string, string>): Map<string, string> {
  if (isRecord(value)) {
    for (const [key, inner] of Object.entries(value)) if (!IDS.has(key)) leaves(inner, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) into.set(path, JSON.stringify(value));
  return into;
}

export function differences(one: unknown, two: unknown): Change[] {
  const before = leaves(one, '', new Map());
  const after = leaves(two, '', new Map());
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ what: path, before: before.get(path) ?? '–', after: after.get(path) ?? '–' }));
}

/** What differs between two versions: how they run, what starts them, how large they are. */
export function Changes({ one, two, actions }: { one: Version | undefined; two: Version; actions: readonly JobAction[] }) {
  const triggers = useQuery(allTriggersQuery());
  const about = (version: Version | undefined) => version === undefined ? {} : {
    package: { content: version.digest.slice(0, 16), files: version.files, size: bytes(version.bytes) },
    action: actions.find((action) => action.versionId === version.id),
    triggers: Object.fromEntries((triggers.data ?? []).filter((trigger) => trigger.versionId === version.id).map((trigger, index) => [trigger.name ?? `${trigger.type} ${index + 1}`, trigger])),
  };
  const changes = differences(about(one), about(two));
  if (changes.length === 0) return <p className="muted">They are the same.</p>;
  return (
    <Table label="Changes" items={changes} id={(change) => change.what} columns={[
      { name: 'What', cell: (change) => <code>{change.what}</code> },
      { name: one?.version ?? 'Before', cell: (change) => <code className="muted">{change.before}</code> },
      { name: two.version, cell: (change) => <code>{change.after}</code> },
    ]} />
  );
}

import { useQueries, useQuery } from '@tanstack/react-query';
import { structuredPatch } from 'diff';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { Version } from '../../api/models';
import { Empty } from '../../components/basics';
import { Failure } from '../../components/failure';
import { bytes, count } from '../../components/format';
import { Table } from '../../components/table';
import { type FileChange, fileChanges } from './file-list';

/** Lines around each change. */
const AROUND = 3;
/** Longer differences are cut off: a bundle in which everything differs tells nobody anything. */
const MOST_LINES = 2_000;
/** How long comparing two texts may take, in milliseconds. */
const PATIENCE = 2_000;

const filesQuery = (version: Version | undefined, job: string) => ({
  queryKey: ['job', job, 'version', version?.id ?? 'none', 'files'],
  // What a version has in it never changes.
  staleTime: Infinity,
  queryFn: async () => (version === undefined
    ? { files: [], more: false }
    : data(api.GET('/api/job/{job}/versions/{version}/files', { params: { path: { job, version: version.id } } }))),
});

const textQuery = (version: Version | undefined, job: string, path: string, there: boolean) => ({
  queryKey: ['job', job, 'version', version?.id ?? 'none', 'text', path],
  staleTime: Infinity,
  retry: false,
  queryFn: async () => (version === undefined || !there
    ? ''
    : (await data(api.GET('/api/job/{job}/versions/{version}/text', { params: { path: { job, version: version.id }, query: { path } } }))).text),
});

/** Which files two versions do not have alike, and for each of them what is different in its lines. */
export default function FileChanges({ job, one, two }: { job: string; one: Version | undefined; two: Version }) {
  const [open, setOpen] = useState<string | null>(null);
  const [before, after] = useQueries({ queries: [filesQuery(one, job), filesQuery(two, job)] });
  const failed = before.error ?? after.error;
  if (failed !== null) return <Failure error={failed} retry={() => { void before.refetch(); void after.refetch(); }} />;
  if (before.data === undefined || after.data === undefined) return <div className="loading" role="status">Loading…</div>;
  const changes = fileChanges(before.data.files, after.data.files);
  const opened = changes.find((change) => change.path === open);
  return (
    <div className="stack">
      <h3>Files</h3>
      {before.data.more || after.data.more ? <p className="muted">Only the first 10,000 files of each are compared.</p> : null}
      {changes.length === 0 ? <Empty title="The files are the same">Same paths, sizes and checksums.</Empty> : (
        <Table label="Changed files" items={changes} id={(change) => change.path} onOpen={(change) => setOpen(change.path)} columns={[
          { name: 'File', cell: (change) => <button type="button" className="btn quiet small" aria-expanded={change.path === open} onClick={() => setOpen(change.path === open ? null : change.path)}><code className="clip">{change.path}</code></button> },
          { name: 'What', narrow: true, cell: (change) => <span className={change.what === 'changed' ? 'tag' : 'tag on'}>{change.what}</span> },
          { name: one?.version ?? 'Before', num: true, cell: (change) => bytes(change.before) },
          { name: two.version, num: true, cell: (change) => bytes(change.after) },
        ]} />
      )}
      {opened === undefined ? null : <LineChanges key={opened.path} job={job} one={one} two={two} change={opened} />}
    </div>
  );
}

function LineChanges({ job, one, two, change }: { job: string; one: Version | undefined; two: Version; change: FileChange }) {
  const before = useQuery(textQuery(one, job, change.path, change.before !== null));
  const after = useQuery(textQuery(two, job, change.path, change.after !== null));
  const failed = before.error ?? after.error;
  if (failed !== null) return <Failure error={failed} />;
  if (before.data === undefined || after.data === undefined) return <div className="loading" role="status">Loading…</div>;
  const patch = structuredPatch(change.path, change.path, before.data, after.data, undefined, undefined, { context: AROUND, timeout: PATIENCE });
  if (patch === undefined) return <p className="muted">The texts are too different to be compared line by line.</p>;
  const lines = patch.hunks.flatMap((hunk) => [`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`, ...hunk.lines]);
  return (
    <div className="stack">
      <pre className="diff" tabIndex={0} role="region" aria-label={`What changed in ${change.path}`}>
        {lines.slice(0, MOST_LINES).map((line, index) => <Line key={index} text={line} />)}
      </pre>
      {lines.length > MOST_LINES ? <p className="muted">{count(lines.length - MOST_LINES)} more lines are not shown.</p> : null}
    </div>
  );
}

const KINDS: Record<string, string> = { '+': 'ins', '-': 'del', '@': 'at' };

function Line({ text }: { text: string }) {
  const kind = KINDS[text.charAt(0)];
  if (kind === 'ins') return <ins>{text}{'\n'}</ins>;
  if (kind === 'del') return <del>{text}{'\n'}</del>;
  return <span className={kind === 'at' ? 'muted' : undefined}>{text}{'\n'}</span>;
}

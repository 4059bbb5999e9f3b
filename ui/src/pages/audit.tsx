import { useInfiniteQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api, whole } from '../api/client';
import type { AuditEntry } from '../api/models';
import { Badge, Card, Code, Empty, Facts, PageHead, Time } from '../components/basics';
import { Dialog } from '../components/dialog';
import { Failure } from '../components/failure';
import { fullTime, pretty } from '../components/format';
import { useSetSearch } from '../components/search';
import { Table } from '../components/table';
import { TextFilter } from '../components/text-filter';
import { useTitle } from '../components/title';
import { live } from '../live/topics';
import { differences } from './job/changes';

export function Audit() {
  useTitle('Audit log');
  const search = useSearch({ from: '/app/audit' });
  const set = useSetSearch();
  const [open, setOpen] = useState<AuditEntry | null>(null);
  const entries = useInfiniteQuery({
    queryKey: ['audit', search],
    meta: live(['audit']),
    queryFn: ({ pageParam }: { pageParam: string | null }) => whole(api.GET('/api/audit', { params: { query: { ...search, limit: 100, ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next ?? null,
    placeholderData: (before) => before,
  });
  const all = entries.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <>
      <PageHead title="Audit log" about="Every change and every login: who, from where, and what came of it." />
      <div className="filters" role="search"><TextFilter label="Resource begins with, such as /api/job" value={search.resource ?? ''} onChange={(resource) => set({ resource })} /></div>
      <Card flush>
        {entries.isError ? <Failure error={entries.error} retry={() => void entries.refetch()} /> : null}
        {entries.data === undefined && !entries.isError ? <div className="loading" role="status">Loading…</div> : null}
        {entries.data !== undefined && all.length === 0 ? <Empty title="Nothing was changed">{search.resource ? 'Nothing that begins like this.' : 'The first change shows up here.'}</Empty> : null}
        {all.length === 0 ? null : (
          <Table label="Audit log" items={all} id={(entry) => String(entry.sequence)} onOpen={setOpen} columns={[
            { name: 'When', narrow: true, cell: (entry) => <Time at={entry.at} /> },
            { name: 'Who', narrow: true, cell: (entry) => entry.username ?? (entry.tokenId == null ? <span className="muted">the instance’s token</span> : 'a token') },
            { name: 'What', cell: (entry) => <button type="button" className="btn quiet small" onClick={() => setOpen(entry)}><code className="clip">{entry.action}</code></button> },
            { name: 'Resource', wide: true, cell: (entry) => <code className="clip" title={entry.resource}>{entry.resource}</code> },
            { name: 'Answer', narrow: true, cell: (entry) => <Badge status={entry.status < 400 ? 'ok' : 'failed'} text={entry.status} /> },
            { name: 'From', narrow: true, wide: true, cell: (entry) => <code>{entry.address}</code> },
          ]} />
        )}
      </Card>
      {entries.hasNextPage ? <button type="button" className="btn" onClick={() => void entries.fetchNextPage()}>Load more</button> : null}
      {open === null ? null : <EntryDialog entry={open} onClose={() => setOpen(null)} />}
    </>
  );
}

function EntryDialog({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const changes = entry.before != null && entry.after != null ? differences(entry.before, entry.after) : [];
  return (
    <Dialog title={entry.action} big onClose={onClose}>
      <Facts items={[['When', fullTime(Date.parse(entry.at))], ['Who', entry.username ?? 'a token'], ['From', entry.address], ['Resource', <code key="r">{entry.resource}</code>], ['Answer', entry.status]]} />
      {changes.length > 0 ? <Table label="What changed" items={changes} id={(change) => change.what} columns={[
        { name: 'What', cell: (change) => <code>{change.what}</code> }, { name: 'Before', cell: (change) => <code>{change.before}</code> }, { name: 'After', cell: (change) => <code>{change.after}</code> },
      ]} /> : entry.after != null ? <Code label="After" text={pretty(entry.after)} /> : entry.before != null ? <Code label="Before" text={pretty(entry.before)} /> : null}
    </Dialog>
  );
}

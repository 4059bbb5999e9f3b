import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { Suspense, lazy, useState } from 'react';
import { api, data, whole } from '../../api/client';
import type { Item, Job } from '../../api/models';
import { Card, Empty, Time } from '../../components/basics';
import { Confirm, Dialog } from '../../components/dialog';
import { Failure, Loaded } from '../../components/failure';
import { bytes } from '../../components/format';
import { useSetSearch } from '../../components/search';
import { Table } from '../../components/table';
import { TextFilter } from '../../components/text-filter';
import { toast } from '../../components/toasts';
import { useRights } from '../../session/session';
import { live } from '../../live/topics';
import { useJob } from './context';

const Editor = lazy(() => import('../../components/editor'));
type Open = { what: 'open' | 'delete'; key: string } | { what: 'add' };

export function Store() {
  const job = useJob();
  const rights = useRights();
  const { prefix = '' } = useSearch({ from: '/app/jobs/$job/store' });
  const set = useSetSearch();
  const [open, setOpen] = useState<Open | null>(null);
  const items = useInfiniteQuery({
    queryKey: ['job', job.id, 'store', prefix],
    // What functions set tells nobody; they run meanwhile.
    meta: live(['store', 'invocations'], job.id),
    queryFn: ({ pageParam }: { pageParam: string | null }) => whole(api.GET('/api/job/{job}/store', {
      params: { path: { job: job.id }, query: { limit: 100, ...(prefix === '' ? {} : { prefix }), ...(pageParam === null ? {} : { cursor: pageParam }) } },
    })),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next ?? null,
    placeholderData: (before) => before,
  });
  const all: Item[] = items.data?.pages.flatMap((page) => page.data) ?? [];
  const close = () => setOpen(null);
  return (
    <>
      <div className="filters" role="search"><TextFilter label="Keys that begin with" value={prefix} onChange={(text) => set({ prefix: text })} /></div>
      <Card title="What the function keeps" flush actions={rights.ofJob(job, 'write', 'store', '*') ? <button type="button" className="btn" onClick={() => setOpen({ what: 'add' })}>Set a key</button> : undefined}>
        {items.isError ? <Failure error={items.error} retry={() => void items.refetch()} /> : null}
        {items.data !== undefined && all.length === 0 ? <Empty title="Nothing is kept here">{prefix === '' ? 'Functions write here with context.setStoreJson and its like.' : 'No key begins like this.'}</Empty> : null}
        {all.length === 0 ? null : (
          <Table label="Stored items" items={all} id={(item) => item.key} onOpen={(item) => setOpen({ what: 'open', key: item.key })} columns={[
            { name: 'Key', cell: (item) => <button type="button" className="btn quiet small" onClick={() => setOpen({ what: 'open', key: item.key })}><code className="clip">{item.key}</code></button> },
            { name: 'Size', num: true, cell: (item) => bytes(item.size) },
            { name: 'Changed', narrow: true, cell: (item) => <Time at={item.modified} /> },
            { name: 'Expires', narrow: true, wide: true, cell: (item) => <Time at={item.expiry} /> },
            { name: 'Actions', silent: true, narrow: true, cell: (item) => (rights.ofJob(job, 'delete', 'store', item.key) ? <button type="button" className="btn small danger" onClick={() => setOpen({ what: 'delete', key: item.key })}>Remove</button> : null) },
          ]} />
        )}
      </Card>
      {items.hasNextPage ? <button type="button" className="btn" onClick={() => void items.fetchNextPage()}>Load more</button> : null}
      {open?.what === 'add' ? <ItemDialog job={job} onClose={close} /> : null}
      {open?.what === 'open' ? <ItemDialog job={job} name={open.key} onClose={close} /> : null}
      {open?.what === 'delete' ? (
        <Confirm title="Remove this item?" action="Remove" danger onClose={close}
          onConfirm={() => whole(api.DELETE('/api/job/{job}/store/{key}', { params: { path: { job: job.id, key: open.key } } })).then(() => items.refetch())}>
          <p><code>{open.key}</code> goes, and the function will not find it any more.</p>
        </Confirm>
      ) : null}
    </>
  );
}

function ItemDialog({ job, name, onClose }: { job: Job; name?: string; onClose: () => void }) {
  const item = useQuery({
    queryKey: ['job', job.id, 'store-item', name],
    queryFn: () => data(api.GET('/api/job/{job}/store/{key}', { params: { path: { job: job.id, key: name ?? '' } } })),
    enabled: name !== undefined,
  });
  return (
    <Dialog title={name ?? 'Set a key'} big onClose={onClose}>
      {name === undefined ? <ItemForm job={job} text="" onDone={onClose} /> : (
        <Loaded query={item}>{(found) => (found.text == null
          ? <p>{bytes(found.size)} that are no text. <a download={name} href={`data:application/octet-stream;base64,${found.base64}`}>Save them as a file</a></p>
          : <ItemForm job={job} name={name} text={found.text} onDone={onClose} />)}</Loaded>
      )}
    </Dialog>
  );
}

function ItemForm({ job, name, text, onDone }: { job: Job; name?: string; text: string; onDone: () => void }) {
  const rights = useRights();
  const queries = useQueryClient();
  const [key, setKey] = useState(name ?? '');
  const [value, setValue] = useState(text);
  const [error, setError] = useState<unknown>(null);
  const save = async () => {
    try {
      await whole(api.PUT('/api/job/{job}/store/{key}', { params: { path: { job: job.id, key } }, body: { value: { text: value } } }));
      toast(`${key} is set`);
      await queries.invalidateQueries({ queryKey: ['job', job.id] });
      onDone();
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <form className="stack" onSubmit={(event) => { event.preventDefault(); void save(); }}>
      {name === undefined ? <label className="field"><span>Key</span><input value={key} onChange={(event) => setKey(event.target.value)} required autoFocus /></label> : null}
      <Suspense fallback={<div className="loading" role="status">Loading the editor…</div>}><Editor label="Value" value={text} onChange={setValue} /></Suspense>
      {error === null ? null : <Failure error={error} />}
      <footer className="row">{key !== '' && rights.ofJob(job, 'write', 'store', key) ? <button type="submit" className="btn primary">Save</button> : null}<span className="muted">A value that is saved here does not expire.</span></footer>
    </form>
  );
}

import { useQuery } from '@tanstack/react-query';
import { Suspense, lazy, useState } from 'react';
import { api, whole } from '../../api/client';
import { isRecord } from '../../api/failure';
import type { JobAction, Version } from '../../api/models';
import { actionsQuery, versionsQuery } from '../../api/queries';
import { ActButton } from '../../components/act';
import { Badge, Card, Code, Empty, Time } from '../../components/basics';
import { Confirm, Dialog } from '../../components/dialog';
import { Download } from '../../components/download';
import { Loaded } from '../../components/failure';
import { bytes, pretty } from '../../components/format';
import { Icon } from '../../components/icons';
import { PublishDialog } from '../../components/publish-dialog';
import { Table } from '../../components/table';
import { useRights } from '../../session/session';
import { Changes } from './changes';
import { useJob } from './context';
import { UnreadableVersions } from './unreadable';

const FileChanges = lazy(() => import('./file-changes'));

type Open = { what: 'publish' } | { what: 'delete' | 'changes' | 'error'; version: Version };

export function Versions() {
  const job = useJob();
  const rights = useRights();
  const versions = useQuery(versionsQuery(job.id));
  const actions = useQuery({ ...actionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'actions') });
  const [open, setOpen] = useState<Open | null>(null);
  const mayChange = rights.ofJob(job, 'write');
  const close = () => setOpen(null);
  const activate = (version: Version) => whole(api.PUT('/api/job/{job}', { params: { path: { job: job.id } }, body: { jobVersionId: version.id } }));
  const activeAt = versions.data?.findIndex((version) => version.active) ?? -1;
  const publishing = rights.may('write', 'job', '-', 'publish') ? <button type="button" className="btn primary" onClick={() => setOpen({ what: 'publish' })}><Icon name="up" />Upload a version</button> : undefined;
  return (
    <>
      <UnreadableVersions />
      <Card title="Versions" flush actions={publishing}>
        <Loaded query={versions}>
          {(all) => (all.length === 0 ? <Empty title="No version">Upload one.</Empty> : (
            <Table label="Versions" items={all} id={(version) => version.id} columns={[
              { name: 'Version', cell: (version) => <span className="row"><strong>{version.version}</strong>{version.active ? <span className="tag on">active</span> : null}</span> },
              { name: 'Import', narrow: true, cell: (version) => (
                <span className="row"><Badge status={version.importState} />{version.importError == null ? null : <button type="button" className="btn small" onClick={() => setOpen({ what: 'error', version })}>Why</button>}</span>
              ) },
              { name: 'Published', narrow: true, cell: (version) => <Time at={version.created} /> },
              { name: 'By', narrow: true, wide: true, cell: (version) => version.publishedBy?.username ?? <span className="muted">–</span> },
              { name: 'Files', num: true, wide: true, cell: (version) => version.files },
              { name: 'Size', num: true, wide: true, cell: (version) => bytes(version.bytes) },
              { name: 'Actions', silent: true, narrow: true, cell: (version) => (
                <span className="row tight">
                  <button type="button" className="btn small" onClick={() => setOpen({ what: 'changes', version })}>Changes</button>
                  {mayChange && !version.active ? (
                    <ActButton className="btn small" run={() => activate(version)} what={`${version.version} could not be activated`} done={`${version.version} serves`}>
                      {activeAt >= 0 && all.indexOf(version) > activeAt ? 'Roll back' : 'Activate'}
                    </ActButton>
                  ) : null}
                  <Download className="btn small" href={`/api/job/${encodeURIComponent(job.id)}/versions/${version.id}/archive`} name={`${job.name.replace('/', '-')}-${version.version}.zip`} label={`Download ${version.version}`}><Icon name="down" /></Download>
                  {!version.active && rights.ofJob(job, 'delete', 'versions', version.id) ? <button type="button" className="btn small danger" onClick={() => setOpen({ what: 'delete', version })}>Remove</button> : null}
                </span>
              ) },
            ]} />
          ))}
        </Loaded>
      </Card>
      {open?.what === 'publish' ? <PublishDialog job={job.name} onClose={close} /> : null}
      {open?.what === 'delete' ? (
        <Confirm title={`Remove ${open.version.version}?`} action="Remove" danger onClose={close}
          onConfirm={() => whole(api.DELETE('/api/job/{job}/versions/{version}', { params: { path: { job: job.id, version: open.version.id } } })).then(() => versions.refetch())}>
          <p>The version and its archive go. What it logged and its invocations stay.</p>
        </Confirm>
      ) : null}
      {open?.what === 'error' ? <Dialog title={`Why ${open.version.version} could not be imported`} big onClose={close}><Code label="Error" text={importError(open.version.importError)} /></Dialog> : null}
      {open?.what === 'changes' ? <Compare job={job.id} version={open.version} all={versions.data ?? []} actions={actions.data ?? []} onClose={close} /> : null}
    </>
  );
}

function importError(error: unknown): string {
  if (isRecord(error)) return [error.message, error.stack].filter((part) => typeof part === 'string').join('\n\n') || pretty(error);
  return String(error);
}

function Compare({ job, version, all, actions, onClose }: { job: string; version: Version; all: readonly Version[]; actions: readonly JobAction[]; onClose: () => void }) {
  const before = all[all.indexOf(version) + 1];
  const active = all.find((each) => each.active && each !== version);
  const [other, setOther] = useState((before ?? active)?.id ?? '');
  const compared = all.find((each) => each.id === other);
  return (
    <Dialog title={`What changed in ${version.version}`} big onClose={onClose}>
      <label className="field"><span>Compared with</span>
        <select value={other} onChange={(event) => setOther(event.target.value)}>
          <option value="">nothing</option>
          {all.filter((each) => each !== version).map((each) => <option key={each.id} value={each.id}>{each.version}{each.active ? ' (active)' : ''}</option>)}
        </select>
      </label>
      <Changes one={compared} two={version} actions={actions} />
      <Suspense fallback={<div className="loading" role="status">Loading…</div>}><FileChanges key={other} job={job} one={compared} two={version} /></Suspense>
    </Dialog>
  );
}

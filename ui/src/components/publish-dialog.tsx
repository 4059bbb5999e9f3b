import { Link } from '@tanstack/react-router';
import { useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import type { Published } from '../api/models';
import { publish } from '../api/publish';
import { Copy } from './basics';
import { Dialog } from './dialog';
import { Failure } from './failure';
import { bytes, percent, quoted } from './format';
import { Icon } from './icons';

type Progress = { stage: 'sending'; share: number } | { stage: 'working' };

/** Takes a zip, says how far it is, and what came of it. */
export function PublishDialog({ onClose, job }: { onClose: () => void; job?: string }) {
  const [file, setFile] = useState<File | null>(null);
  const [over, setOver] = useState(false);
  const [activate, setActivate] = useState(true);
  const [force, setForce] = useState(false);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState<Published | null>(null);
  const queries = useQueryClient();
  const id = useId();
  const send = async () => {
    if (file === null) return;
    setError(null);
    setProgress({ stage: 'sending', share: 0 });
    try {
      setDone(await publish(file, { activate, force }, (share) => setProgress(share === null ? { stage: 'working' } : { stage: 'sending', share })));
    } catch (cause) {
      setError(cause);
    } finally {
      setProgress(null);
      void queries.invalidateQueries();
    }
  };
  if (done !== null) return <Dialog title={`${done.name} ${done.version}`} onClose={onClose}><Outcome published={done} onClose={onClose} /></Dialog>;
  return (
    <Dialog title={job === undefined ? 'Publish a package' : `Publish a version of ${job}`} onClose={onClose}>
      <form className="stack" onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <div className="drop" data-over={over}
          onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
          onDrop={(event) => { event.preventDefault(); setOver(false); setFile(event.dataTransfer.files[0] ?? null); }}>
          <Icon name="up" />
          <label htmlFor={id}>{file === null ? 'Drop a zip with a package.json at its root here, or choose one' : `${file.name}, ${bytes(file.size)}`}</label>
          <input id={id} type="file" accept=".zip,application/zip" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />
        </div>
        <label className="check"><input type="checkbox" checked={activate} onChange={(event) => setActivate(event.target.checked)} />Serve it as soon as it is imported</label>
        <label className="check"><input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />Even if it can not be imported</label>
        {progress === null ? null : (
          <div role="status">
            <p className="muted">{progress.stage === 'sending' ? `Sending: ${percent(progress.share)}` : 'Checking the package and importing it in a runner…'}</p>
            <progress className="bar" max={1} aria-label="Progress" {...(progress.stage === 'sending' ? { value: progress.share } : {})} />
          </div>
        )}
        {error === null ? null : <Failure error={error} />}
        <footer>
          <button type="button" className="btn" onClick={onClose}>Cancel</button>
          <button type="submit" className="btn primary" disabled={file === null || progress !== null}>Publish</button>
        </footer>
      </form>
    </Dialog>
  );
}

const CHANGES = { published: 'A new version was published', activated: 'The version was there already, and is active now', unchanged: 'Nothing changed: the same content is there already' };

function Outcome({ published, onClose }: { published: Published; onClose: () => void }) {
  return (
    <>
      <p>{CHANGES[published.change]}{published.active ? ', and it serves.' : '. It is not active.'}</p>
      <ul className="stack tight">
        {published.routes.map((route) => (
          <li key={route.triggerId} className="row"><code>{route.method ?? 'any'} {route.url ?? route.path ?? ''}</code>
            {route.url ? <Copy text={`curl ${quoted(route.url)}`} label="Copy as curl" /> : null}</li>
        ))}
      </ul>
      {published.warnings.length === 0 ? null : (
        <div className="note warn"><strong>Look at these</strong>
          <ul>{published.warnings.map((warning) => <li key={warning.pointer + warning.code}><code>{warning.pointer}</code> {warning.message}</li>)}</ul>
        </div>
      )}
      <footer>
        <button type="button" className="btn" onClick={onClose}>Close</button>
        <Link to="/jobs/$job" params={{ job: published.name }} className="btn primary" onClick={onClose}>Open {published.name}</Link>
      </footer>
    </>
  );
}

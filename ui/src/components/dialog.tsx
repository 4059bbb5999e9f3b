import { type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react';
import { Failure } from './failure';
import { Icon } from './icons';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** Wide, for editors. */
  big?: boolean;
}

/** The browser's own modal dialog: it keeps the focus, and Escape closes it. */
export function Dialog({ title, onClose, children, big }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    // What is to be filled in, if anything is, and not the button that closes.
    dialog?.querySelector<HTMLElement>('form input, form select, form textarea')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} className={big ? 'big' : undefined}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onMouseDown={(event) => { if (event.target === ref.current) onClose(); }}>
      <div className="inside">
        <div className="row between">
          <h2 id={id}>{title}</h2>
          <button type="button" className="btn quiet icon" aria-label="Close" onClick={onClose}><Icon name="close" /></button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children: ReactNode;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
  /** What has to be typed first. */
  typed?: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that can not be taken back. */
export function Confirm({ title, children, action, danger, typed, onConfirm, onClose }: ConfirmProps) {
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <div>{children}</div>
        {typed === undefined ? null : (
          <label className="field"><span>Type <code>{typed}</code> to go on</span>
            <input value={text} onChange={(event) => setText(event.target.value)} autoComplete="off" autoFocus />
          </label>
        )}
        {error === null ? null : <Failure error={error} />}
        <footer>
          <button type="button" className="btn" onClick={onClose}>Cancel</button>
          <button type="submit" className={danger ? 'btn danger' : 'btn primary'} disabled={busy || (typed !== undefined && text !== typed)}>
            {busy ? 'Working…' : action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

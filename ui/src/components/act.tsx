import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { toast, toastFailure } from './toasts';

/** Runs something, says what came of it, and has what it may have changed loaded again. */
export function useAct() {
  const queries = useQueryClient();
  return async (what: string, run: () => Promise<unknown>, done: string): Promise<boolean> => {
    try {
      await run();
      toast(done);
      return true;
    } catch (error) {
      toastFailure(what, error);
      return false;
    } finally {
      void queries.invalidateQueries();
    }
  };
}

/** A button for something that is done at once. It tells that it works, and what came of it. */
export function ActButton({ run, what, done, children, className, disabled }: {
  run: () => Promise<unknown>; what: string; done: string; children: ReactNode; className?: string; disabled?: boolean;
}) {
  const act = useAct();
  const [busy, setBusy] = useState(false);
  return (
    <button type="button" className={className ?? 'btn'} disabled={busy || disabled} aria-busy={busy}
      onClick={() => { setBusy(true); void act(what, run, done).finally(() => setBusy(false)); }}>
      {children}
    </button>
  );
}

import type { ReactNode } from 'react';
import { proof, storedToken } from '../api/client';
import { ApiFailure } from '../api/failure';
import { toastFailure } from './toasts';

interface DownloadProps {
  href: string;
  name: string;
  children: ReactNode;
  className: string;
  label?: string;
}

/** A link to a file of the API. A cookie proves itself; with a token the file is fetched here and then saved. */
export function Download({ href, name, children, className, label }: DownloadProps) {
  const save = async () => {
    try {
      const response = await fetch(href, { headers: proof() });
      if (!response.ok) throw ApiFailure.of(response, await response.json().catch(() => null));
      const url = URL.createObjectURL(await response.blob());
      const link = document.createElement('a');
      link.href = url;
      link.download = name;
      link.click();
      URL.revokeObjectURL(url);
    } catch (error) {
      toastFailure(`${name} could not be saved`, error);
    }
  };
  return (
    <a className={className} href={href} download={name} aria-label={label} title={label}
      onClick={(event) => {
        if (storedToken.get() === null) return;
        event.preventDefault();
        void save();
      }}>
      {children}
    </a>
  );
}

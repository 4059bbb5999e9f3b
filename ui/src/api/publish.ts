import { upload } from './client';
import type { Published } from './models';

/** Publishes an archive as it is. */
export function publish(archive: Blob, options: { activate: boolean; force: boolean }, onProgress: (share: number | null) => void) {
  const query = new URLSearchParams({ allowAutomaticRollout: String(options.activate), force: String(options.force) });
  return upload<Published>({ url: `/api/job/publish?${query}`, body: archive, type: 'application/zip', onProgress });
}

/** What is different about one file. */
export interface FileChange {
  path: string;
  what: 'added' | 'removed' | 'changed';
  before: number | null;
  after: number | null;
}

/** A file as the archive's directory has it. */
export interface PackagedFile {
  path: string;
  bytes: number;
  crc32: string;
}

/** What is different between the files of two packages, by their paths. */
export function fileChanges(one: readonly PackagedFile[], two: readonly PackagedFile[]): FileChange[] {
  const before = new Map(one.map((file) => [file.path, file]));
  const after = new Map(two.map((file) => [file.path, file]));
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): FileChange[] => {
    const [old, fresh] = [before.get(path), after.get(path)];
    if (old !== undefined && fresh !== undefined) {
      return old.bytes === fresh.bytes && old.crc32 === fresh.crc32 ? [] : [{ path, what: 'changed', before: old.bytes, after: fresh.bytes }];
    }
    return [{ path, what: old === undefined ? 'added' : 'removed', before: old?.bytes ?? null, after: fresh?.bytes ?? null }];
  });
}

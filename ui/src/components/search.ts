import { useNavigate } from '@tanstack/react-router';

export type Search = Record<string, string>;

/** Changes parts of the address after the `?`; what is empty goes. */
export function useSetSearch() {
  const navigate = useNavigate();
  return (change: Record<string, string | undefined>) => {
    void navigate({
      to: '.',
      replace: true,
      resetScroll: false,
      search: (before: Search) => Object.fromEntries(
        Object.entries({ ...before, ...change }).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== ''),
      ),
    } as Parameters<typeof navigate>[0]);
  };
}

import type { ReactNode } from 'react';

export interface Column<T> {
  name: string;
  cell: (item: T) => ReactNode;
  /** Numbers stand to the right. */
  num?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
  /** As narrow as it can be. */
  narrow?: boolean;
  /** Only for those who hear the page. */
  silent?: boolean;
}

interface TableProps<T> {
  label: string;
  columns: readonly Column<T>[];
  items: readonly T[];
  id: (item: T) => string;
  onOpen?: (item: T) => void;
}

/** A table that scrolls sideways by itself. A click anywhere in a row opens it; the keyboard uses the link in it. */
export function Table<T>({ label, columns, items, id, onOpen }: TableProps<T>) {
  const classes = (column: Column<T>) =>
    [column.num && 'num', column.wide && 'wide', column.narrow && 'narrow'].filter(Boolean).join(' ') || undefined;
  return (
    <div className="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>{columns.map((column) => (
            <th key={column.name} scope="col" className={classes(column)}>
              {column.silent ? <span className="sr">{column.name}</span> : column.name}
            </th>
          ))}</tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={id(item)} className={onOpen === undefined ? undefined : 'go'}
              onClick={onOpen === undefined ? undefined : (event) => {
                if (event.target instanceof Element && event.target.closest('a, button, input, select, dialog') === null
                  && (window.getSelection()?.isCollapsed ?? true)) onOpen(item);
              }}>
              {columns.map((column) => <td key={column.name} className={classes(column)}>{column.cell(item)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

import { useEffect, useRef, useState } from 'react';

const PAUSE = 120;

/** A text to look for, taken when the typing pauses. */
export function TextFilter({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <input className="text" type="search" aria-label={label} placeholder={label} value={text} maxLength={256}
      onChange={(event) => {
        const next = event.target.value;
        setText(next);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => onChange(next), PAUSE);
      }} />
  );
}

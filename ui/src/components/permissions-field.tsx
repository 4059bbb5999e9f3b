import { useId } from 'react';
import type { Permission } from '../api/models';

type Act = Permission['actions'][number];
const ACTS: readonly Act[] = ['read', 'write', 'delete'];
const PRESETS: readonly { title: string; permissions: Permission[] }[] = [
  { title: 'Everything', permissions: [{ effect: 'allow', resource: '*', actions: ['read', 'write', 'delete'] }] },
  { title: 'Look at all jobs, without variables', permissions: [{ effect: 'allow', resource: 'job/*', actions: ['read'] }, { effect: 'deny', resource: 'job/*/environment', actions: ['read'] }] },
  { title: 'Publish', permissions: [{ effect: 'allow', resource: 'job/-/publish', actions: ['write'] }, { effect: 'allow', resource: 'job/*', actions: ['read'] }] },
  { title: 'Only metrics for Prometheus', permissions: [{ effect: 'allow', resource: 'system/metrics/prometheus', actions: ['read'] }] },
];

/** A list of permissions to be changed line by line, with some to begin with. */
export function PermissionsField({ value, onChange }: { value: Permission[]; onChange: (value: Permission[]) => void }) {
  const id = useId();
  const change = (index: number, by: Partial<Permission>) => onChange(value.map((line, at) => (at === index ? { ...line, ...by } : line)));
  return (
    <fieldset className="card plain">
      <legend>May do</legend>
      <div className="stack tight">
        <label className="field"><span>Begin with</span>
          <select value="" onChange={(event) => { const preset = PRESETS[Number(event.target.value)]; if (preset !== undefined) onChange(structuredClone(preset.permissions)); }}>
            <option value="">choose…</option>{PRESETS.map((preset, index) => <option key={preset.title} value={index}>{preset.title}</option>)}
          </select>
        </label>
        {value.map((line, index) => (
          <div className="row" key={`${id}-${index}`}>
            <select className="fit" aria-label={`Effect of line ${index + 1}`} value={line.effect} onChange={(event) => change(index, { effect: event.target.value as Permission['effect'] })}><option value="allow">allow</option><option value="deny">deny</option></select>
            <input className="grow" aria-label={`Resource of line ${index + 1}`} value={line.resource} placeholder="job/*/logs" onChange={(event) => change(index, { resource: event.target.value })} />
            {ACTS.map((act) => (
              <label key={act} className="check"><input type="checkbox" checked={line.actions.includes(act)} onChange={(event) => change(index, { actions: ACTS.filter((each) => (each === act ? event.target.checked : line.actions.includes(each))) })} />{act}</label>
            ))}
            <button type="button" className="btn small" aria-label={`Remove line ${index + 1}`} onClick={() => onChange(value.filter((_, at) => at !== index))}>Remove</button>
          </div>
        ))}
        {value.length === 0 ? <p className="muted">Nothing is allowed.</p> : null}
        <div><button type="button" className="btn small" onClick={() => onChange([...value, { effect: 'allow', resource: 'job/*', actions: ['read'] }])}>Add a line</button></div>
      </div>
    </fieldset>
  );
}

/** A list of permissions in few words. */
export function PermissionText({ value }: { value: readonly Permission[] }) {
  if (value.length === 0) return <span className="muted">nothing</span>;
  return <span className="row tight">{value.slice(0, 3).map((line, index) => <span key={`${line.resource}${index}`} className="tag">{line.effect === 'deny' ? 'not ' : ''}{line.resource}: {line.actions.join(' ')}</span>)}{value.length > 3 ? <span className="muted">and {value.length - 3} more</span> : null}</span>;
}

import { useState } from 'react';
import { api, whole } from '../../api/client';
import type { Job, MqttTrigger } from '../../api/models';
import { Failure } from '../../components/failure';
import { firstDraft } from '../test-event';

/** Publishes a message at a trigger's broker, over the job's connection. */
export function PublishMessage({ job, trigger }: { job: Job; trigger: MqttTrigger }) {
  const [topic, setTopic] = useState(() => firstDraft(trigger).topic);
  const [payload, setPayload] = useState('');
  const [qos, setQos] = useState('1');
  const [retain, setRetain] = useState(false);
  const [state, setState] = useState<'idle' | 'busy' | 'done'>('idle');
  const [error, setError] = useState<unknown>(null);
  const send = async () => {
    setState('busy');
    setError(null);
    try {
      await whole(api.POST('/api/job/{job}/triggers/{trigger}/publish', {
        params: { path: { job: job.id, trigger: trigger.id } }, body: { topic, payload, qos: Number(qos), retain },
      }));
      setState('done');
    } catch (cause) {
      setError(cause);
      setState('idle');
    }
  };
  return (
    <details>
      <summary>Publish a message</summary>
      <form className="stack tight" onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <p className="muted">It goes to the broker over this job’s connection, and to whoever subscribes to it.</p>
        <div className="filters">
          <label className="field grow"><span>Topic</span><input required value={topic} onChange={(event) => setTopic(event.target.value)} /></label>
          <label className="field"><span>QoS</span><select value={qos} onChange={(event) => setQos(event.target.value)}>{['0', '1', '2'].map((each) => <option key={each}>{each}</option>)}</select></label>
          <label className="row"><input type="checkbox" checked={retain} onChange={(event) => setRetain(event.target.checked)} />Retain</label>
        </div>
        <label className="field"><span>Payload</span><textarea rows={3} value={payload} onChange={(event) => setPayload(event.target.value)} /></label>
        {error === null ? null : <Failure error={error} />}
        <div className="row"><button type="submit" className="btn" disabled={state === 'busy'}>{state === 'busy' ? 'Waiting for the broker…' : 'Publish'}</button><span role="status">{state === 'done' ? 'The broker has acknowledged it.' : ''}</span></div>
      </form>
    </details>
  );
}

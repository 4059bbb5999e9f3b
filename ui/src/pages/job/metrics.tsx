import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { Suspense, lazy } from 'react';
import { seriesQuery, versionsQuery } from '../../api/queries';
import { Card } from '../../components/basics';
import { Loaded } from '../../components/failure';
import { count, duration, percent } from '../../components/format';
import { useSetSearch } from '../../components/search';
import { useRights } from '../../session/session';
import { useJob } from './context';

const Chart = lazy(() => import('../../components/chart'));

export const RANGES = {
  '1h': { title: '1 hour', seconds: 3_600, step: 60 },
  '6h': { title: '6 hours', seconds: 21_600, step: 300 },
  '24h': { title: '24 hours', seconds: 86_400, step: 900 },
  '7d': { title: '7 days', seconds: 604_800, step: 3_600 },
  '30d': { title: '30 days', seconds: 2_592_000, step: 21_600 },
} as const;
export type Range = keyof typeof RANGES;

export function Metrics() {
  const job = useJob();
  const rights = useRights();
  const set = useSetSearch();
  const { range: asked } = useSearch({ from: '/app/jobs/$job/metrics' });
  const range: Range = asked !== undefined && asked in RANGES ? (asked as Range) : '1h';
  const series = useQuery(seriesQuery(job.id, RANGES[range]));
  const versions = useQuery({ ...versionsQuery(job.id), enabled: rights.ofJob(job, 'read', 'versions', '*') });
  const markers = versions.data?.map((version) => ({ at: Date.parse(version.created), text: version.version })) ?? [];
  return (
    <div className="stack">
      <div className="row" role="group" aria-label="Range">
        {(Object.keys(RANGES) as Range[]).map((each) => (
          <button key={each} type="button" className="btn small" aria-pressed={each === range} onClick={() => set({ range: each })}>{RANGES[each].title}</button>
        ))}
        <span className="muted">Dashed lines are published versions.</span>
      </div>
      <Loaded query={series}>
        {({ points }) => {
          const times = points.map((point) => Date.parse(point.at));
          return (
            <Suspense fallback={<div className="loading" role="status">Loading…</div>}>
              <div className="grid two">
                <Card title="Invocations by outcome">
                  <Chart label="Invocations by outcome" times={times} format={count} markers={markers} lines={[
                    { label: 'succeeded', colour: '--good', values: points.map((p) => p.succeeded), filled: true },
                    { label: 'failed', colour: '--bad', values: points.map((p) => p.failed), filled: true },
                    { label: 'timed out', colour: '--warn', values: points.map((p) => p.timedOut) },
                    { label: 'lost', colour: '--violet', values: points.map((p) => p.lost) },
                    { label: 'refused', colour: '--info', values: points.map((p) => p.refused + p.turnedAway) },
                  ]} />
                </Card>
                <Card title="How long they took">
                  <Chart label="Durations" times={times} format={duration} markers={markers} lines={[
                    { label: 'p50', colour: '--good', values: points.map((p) => p.total.p50Ms ?? null) },
                    { label: 'p95', colour: '--warn', values: points.map((p) => p.total.p95Ms ?? null) },
                    { label: 'p99', colour: '--bad', values: points.map((p) => p.total.p99Ms ?? null) },
                  ]} />
                </Card>
                <Card title="Where the time goes, p95">
                  <Chart label="Queue and handler" times={times} format={duration} markers={markers} lines={[
                    { label: 'queue', colour: '--info', values: points.map((p) => p.queue.p95Ms ?? null) },
                    { label: 'handler', colour: '--accent', values: points.map((p) => p.handler.p95Ms ?? null) },
                    { label: 'cold start, mean', colour: '--violet', values: points.map((p) => p.coldStartMs ?? null) },
                  ]} />
                </Card>
                <Card title="Cold starts">
                  <Chart label="Share of cold starts" times={times} format={percent} markers={markers} lines={[
                    { label: 'share', colour: '--violet', values: points.map((p) => p.coldStartShare ?? null), filled: true },
                  ]} />
                </Card>
                <Card title="At the same time, at most">
                  <Chart label="Runners, running and waiting" times={times} format={count} markers={markers} lines={[
                    { label: 'runners', colour: '--accent', values: points.map((p) => p.mostRunners) },
                    { label: 'running', colour: '--good', values: points.map((p) => p.mostRunning) },
                    { label: 'waiting', colour: '--warn', values: points.map((p) => p.mostWaiting) },
                  ]} />
                </Card>
              </div>
            </Suspense>
          );
        }}
      </Loaded>
    </div>
  );
}

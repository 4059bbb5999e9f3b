/** Names for the types of the API document, and the shapes that the document calls just `object`. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Job = Schemas['JobSummary'];
export type Version = Schemas['VersionSummary'];
export type Invocation = Schemas['Invocation'];
export type InvocationPoints = Schemas['InvocationPoints'];
export type OpenedInvocation = Schemas['OpenedInvocation'];
export type LogLine = Schemas['StoredLogLine'];
export type Variable = Schemas['StoredVariable'];
export type Fire = Schemas['StoredFire'];
export type DeadLetter = Schemas['DeadLetter'];
export type User = Schemas['StoredUser'];
export type ApiToken = Schemas['StoredApiToken'];
export type AuditEntry = Schemas['StoredAuditEntry'];
export type Session = Schemas['StoredSession'];
export type Item = Schemas['Item'];
export type Identity = Schemas['Identity'];
export type Permission = Schemas['Permission'];
export type MetricPoint = Schemas['MetricPoint'];
export type JobFigures = Schemas['FiguresOfJob'];
export type MetricSeries = Schemas['MetricSeries'];
export type Published = Schemas['Published'];
export type Check = Schemas['CheckReport'];
export type Tested = Schemas['Tested'];
export type BulkReplay = Schemas['BulkReplay'];

/** How a version runs. */
export interface JobAction {
  id: string;
  jobId: string;
  versionId: string;
  version: string;
  capture: 'none' | 'errors' | 'all';
  concurrency: number;
  queue: { length: number; wait: number };
  retries: { backoff: number; max: number };
  runnerAsynchronous: boolean;
  runnerMaxAge: number | null;
  runnerMaxAgeHard: number | null;
  runnerMaxCount: number;
  runnerMaxIdleAge: number;
  runnerMinCount: number;
  runnerMode: string;
  runnerTimeout: number | null;
}

/** What stands in place of an action or a trigger of a version that was published when more was allowed than today: it can not be served. */
export interface Unreadable {
  id: string;
  jobId: string;
  versionId: string;
  version: string;
  type?: TriggerKind;
  name?: string | null;
  problems: { pointer: string; message: string }[];
}

interface AnyTrigger {
  id: string;
  jobId: string;
  versionId: string;
  version: string;
  name?: string | null;
}

export interface HttpTrigger extends AnyTrigger {
  type: 'http';
  method?: string | null;
  path?: string | null;
  hostname?: string | null;
}

export interface MqttTrigger extends AnyTrigger {
  type: 'mqtt';
  topics: string[];
  qos: number;
  connection: Record<string, unknown>;
}

export interface ScheduleTrigger extends AnyTrigger {
  type: 'schedule';
  cron: string;
  timezone: string;
  catchUp: string;
  overlap: string;
  /** The next five instants. */
  next: string[];
}

export type Trigger = HttpTrigger | MqttTrigger | ScheduleTrigger;
export type TriggerKind = Trigger['type'];

export interface BrokerConnection {
  broker: string;
  clientId: string;
  state: string;
  since: string;
  open: number;
  waiting: number;
  messages: Record<string, number>;
}

export interface TriggerStatus {
  status: 'healthy' | 'unhealthy' | 'unknown';
  message: string;
  since?: string | null;
  details?: { connections?: BrokerConnection[]; next?: string } | null;
}

export interface Runner {
  id: string;
  jobId: string;
  versionId: string;
  actionId: string;
  stage: string;
  created: string;
  ready?: string | null;
}

export interface Actor {
  id: number;
  path: string;
  name: string;
  kind: string;
  state: string;
  reason: unknown;
  sinceUnixMs: number;
  restarts: number;
  lastFailure: unknown;
  observed: unknown;
  observedUnixMs: number | null;
  responsive: boolean;
  children: Actor[];
}

export const OUTCOMES = [
  'succeeded', 'failed', 'timed-out', 'lost', 'refused', 'cancelled', 'queued', 'running', 'missed', 'skipped',
] as const;
export type Outcome = (typeof OUTCOMES)[number];
/** The outcomes that somebody should look at. */
export const BAD_OUTCOMES: readonly Outcome[] = ['failed', 'timed-out', 'lost', 'refused'];

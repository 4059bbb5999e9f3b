/** Names for the types of the API document. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Job = Schemas['JobSummary'];
export type ListedJob = Schemas['Listed'];
export type QueueOfJob = Schemas['QueueOfJob'];
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

export type JobAction = Schemas['JobAction'];
export type Trigger = Schemas['Trigger'];
/** What stands in place of an action or a trigger of a version that was published when more was allowed than today: it can not be served. */
export type Unreadable = Schemas['Unreadable'];
export type TriggerKind = Trigger['type'];
export type HttpTrigger = Extract<Trigger, { type: 'http' }>;
export type MqttTrigger = Extract<Trigger, { type: 'mqtt' }>;
export type ScheduleTrigger = Extract<Trigger, { type: 'schedule' }>;
export type TriggerStatus = Schemas['TriggerStatus'];
export type BrokerConnection = Schemas['BrokerConnection'];
export type Runner = Schemas['Runner'];
export type Actor = Schemas['Actor'];

export const OUTCOMES = [
  'succeeded', 'failed', 'timed-out', 'lost', 'refused', 'cancelled', 'queued', 'running', 'missed', 'skipped',
] as const;
export type Outcome = (typeof OUTCOMES)[number];
/** The outcomes that somebody should look at. */
export const BAD_OUTCOMES: readonly Outcome[] = ['failed', 'timed-out', 'lost', 'refused'];

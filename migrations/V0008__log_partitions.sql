-- The functions' log in daily partitions that retention drops as a whole. Lines that are there already are kept, with their places.
--
-- The invocation's lines are found by an index of their own: an invocation may be old, and its job may have written much since.

alter table runner_logs rename to runner_logs_before;
alter index runner_logs_job_time rename to runner_logs_before_job_time;

create sequence runner_logs_number as bigint;

select setval('runner_logs_number', coalesce(max(sequence), 0) + 1, false) from runner_logs_before;

-- No foreign key: lines are copied in by thousands, and a job that was just removed must not refuse its last batch.
create table runner_logs (
    sequence      bigint      not null default nextval('runner_logs_number'),
    job_id        uuid        not null,
    time          timestamptz not null,
    version_id    uuid,
    runner_id     uuid,
    invocation_id uuid,
    stream        text        not null,
    level         text        not null,
    message       text        not null,
    fields        jsonb
) partition by range (time);

alter sequence runner_logs_number owned by runner_logs.sequence;

comment on column runner_logs.time is 'When it was written; days of UTC are partitions.';
comment on column runner_logs.stream is '''stdout'', ''stderr'' or ''system''. Not checked for each of many lines.';
comment on column runner_logs.level is '''debug'', ''info'', ''warn'' or ''error''. Not checked likewise.';
comment on column runner_logs.sequence is 'Tells lines of one moment apart, in the order in which they came.';

create index runner_logs_job_time on runner_logs (job_id, time, sequence);
create index runner_logs_invocation on runner_logs (invocation_id) where invocation_id is not null;

select make_daily_partition('runner_logs', day)
from (select distinct (time at time zone 'UTC')::date as day from runner_logs_before) as days;

insert into runner_logs (sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields)
select sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields
from runner_logs_before;

drop table runner_logs_before;

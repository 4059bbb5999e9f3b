-- What every invocation came to. One row for each attempt, in daily partitions that retention drops as a whole.
--
-- Ids are UUIDs of version 7: they begin with the moment at which the invocation was made, in milliseconds. So they are what the
-- partitions go by, the primary key tells which partition has a row, and a range of times is a range of ids.

create table invocations (
    id             uuid        not null,
    attempt        integer     not null,
    job_id         uuid        not null,
    version_id     uuid,
    trigger_id     uuid        not null,
    trigger_name   text,
    kind           text        not null,
    subject        text        not null,
    status         text        not null,
    queued_at      timestamptz not null,
    started_at     timestamptz,
    ended_at       timestamptz,
    runner_id      uuid,
    connect_ms     integer,
    load_ms        integer,
    input_bytes    bigint,
    output_bytes   bigint,
    peak_memory    bigint,
    http_status    smallint,
    error_code     text,
    error_name     text,
    error_message  text,
    replay_of      uuid,
    server_id      uuid        not null,
    captured       boolean     not null,
    primary key (id, attempt)
) partition by range (id);

comment on column invocations.kind is 'http, mqtt or schedule.';
comment on column invocations.status is 'queued, running, succeeded, failed, timed-out, refused, lost, cancelled, missed or skipped.';
comment on column invocations.version_id is 'Null for an instant that nobody started.';
comment on column invocations.subject is 'What it was about: method and path, topic, or instant.';
comment on column invocations.connect_ms is 'The invocation waited for a new runner: from its creation until it had dialled in. Null for a warm one.';
comment on column invocations.load_ms is 'Likewise: from there until the module was imported.';
comment on column invocations.server_id is 'Which life of which server wrote it.';
comment on column invocations.peak_memory is 'Most bytes that the runner''s process had held by its end, since the process began.';
comment on column invocations.captured is 'Whether invocation_payloads has its input and output.';

-- What is written for every call is kept cheap: no checks, since nobody but the server writes here; indexes in ascending order, of which
-- Postgres appends to the last page, and read backwards; no attempt in them, since nearly all are the first.
create index invocations_job on invocations (job_id, id);
create index invocations_trouble on invocations (job_id, id) where status <> 'succeeded';
create index invocations_open on invocations (server_id) where ended_at is null;

create table invocation_payloads (
    id               uuid    not null,
    attempt          integer not null,
    input            jsonb   not null,
    input_body       bytea   not null,
    input_truncated  boolean not null,
    output           jsonb,
    output_body      bytea   not null,
    output_truncated boolean not null,
    primary key (id, attempt)
) partition by range (id);

comment on column invocation_payloads.input is 'What the trigger said, without the body and without credentials.';
comment on column invocation_payloads.output is 'Status and headers of the answer, without credentials; null if there was none.';

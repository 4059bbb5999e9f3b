-- What every invocation came to. One row for each attempt, in daily partitions that retention drops as a whole.
--
-- Ids are UUIDs of version 7: they begin with the moment at which the invocation was made, in milliseconds. So they are what the
-- partitions go by, the primary key tells which partition has a row, and a range of times is a range of ids.

create table invocations (
    id             uuid        not null,
    attempt        integer     not null check (attempt >= 1),
    job_id         uuid        not null,
    version_id     uuid,
    trigger_id     uuid        not null,
    trigger_name   text,
    kind           text        not null check (kind in ('http', 'mqtt', 'schedule')),
    subject        text        not null,
    status         text        not null check (status in ('queued', 'running', 'succeeded', 'failed', 'timed-out', 'refused',
                                                          'lost', 'cancelled', 'missed', 'skipped')),
    queued_at      timestamptz not null,
    started_at     timestamptz,
    ended_at       timestamptz,
    runner_id      uuid,
    connect_ms     integer,
    load_ms        integer,
    input_bytes    bigint,
    output_bytes   bigint,
    http_status    smallint,
    error_code     text,
    error_name     text,
    error_message  text,
    replay_of      uuid,
    server_id      uuid        not null,
    captured       boolean     not null,
    primary key (id, attempt)
) partition by range (id);

comment on column invocations.version_id is 'Null for an instant that nobody started.';
comment on column invocations.subject is 'What it was about: method and path, topic, or instant.';
comment on column invocations.connect_ms is 'The invocation waited for a new runner: from its creation until it had dialled in. Null for a warm one.';
comment on column invocations.load_ms is 'Likewise: from there until the module was imported.';
comment on column invocations.server_id is 'Which life of which server wrote it.';
comment on column invocations.captured is 'Whether invocation_payloads has its input and output.';

create index invocations_job on invocations (job_id, id desc, attempt desc);
create index invocations_trouble on invocations (job_id, id desc, attempt desc) where status <> 'succeeded';
create index invocations_open on invocations (server_id) where status in ('queued', 'running');

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

-- The lowest id that is made on this day (UTC).
create function first_id_of(day date) returns uuid language sql immutable as $$
    select (lpad(to_hex((extract(epoch from day::timestamp at time zone 'UTC') * 1000)::bigint), 12, '0')
        || repeat('0', 20))::uuid
$$;

-- Makes the partition of a day (UTC) of a table that is partitioned by range of a time or of an id. Says whether it was not there.
-- It is attached, not made in place: that blocks neither readers nor writers.
create function make_daily_partition(parent text, day date) returns boolean language plpgsql as $$
declare
    child text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
    by_id boolean;
    least text;
    most  text;
begin
    if to_regclass(quote_ident(child)) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext(parent));
    if to_regclass(quote_ident(child)) is not null then
        return false;
    end if;
    select key.atttypid = 'uuid'::regtype into strict by_id
    from pg_partitioned_table as partitioned
    join pg_attribute as key on key.attrelid = partitioned.partrelid and key.attnum = partitioned.partattrs[0]
    where partitioned.partrelid = quote_ident(parent)::regclass;
    if by_id then
        least := first_id_of(day);
        most := first_id_of(day + 1);
    else
        least := day::timestamp at time zone 'UTC';
        most := (day + 1)::timestamp at time zone 'UTC';
    end if;
    execute format('create table %I (like %I including defaults including constraints)', child, parent);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, child, least, most);
    return true;
end
$$;

-- Drops the partitions of days before this one. Gives how many. Waits for nobody for long: readers come first, and it is tried again.
create function drop_daily_partitions(parent text, day date) returns integer language plpgsql as $$
declare
    child   text;
    dropped integer := 0;
begin
    perform set_config('lock_timeout', '500ms', true);
    for child in
        select partition.relname
        from pg_inherits
        join pg_class as partition on partition.oid = pg_inherits.inhrelid
        where pg_inherits.inhparent = quote_ident(parent)::regclass
          and partition.relname < format('%s_%s', parent, to_char(day, 'YYYYMMDD'))
          and partition.relname ~ (parent || '_\d{8}$')
        order by partition.relname
    loop
        execute format('drop table %I', child);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;

-- Invocations that must happen although nobody waits for them, and what became of the instants of schedules.

-- One row for each invocation, from the moment it is promised until it is done or given up. Claims and settlements rewrite
-- rows all the time: some room is left on each page, and what is dead is cleared away soon. Texts from outside are of type
-- json, which keeps them as they came; jsonb refuses the character NUL. The trigger may go while its deliveries stay.
create table deliveries (
    id           uuid primary key,
    job_id       uuid        not null references jobs (id) on delete cascade,
    trigger_id   uuid        not null,
    trigger_name text,
    kind         text        not null check (kind in ('http', 'schedule', 'mqtt')),
    input        json        not null,
    body         bytea       not null,
    bytes        bigint      not null check (bytes >= 0),
    serial_key   uuid,
    state        text        not null check (state in ('due', 'claimed', 'dead')),
    due_at       timestamptz not null,
    failed       integer     not null default 0 check (failed >= 0),
    lost         integer     not null default 0 check (lost >= 0),
    token        bigint      not null default 0,
    owner        text,
    lease_until  timestamptz,
    failure      json,
    created_at   timestamptz not null default now(),
    died_at      timestamptz,
    check ((state = 'claimed') = (owner is not null) and (state = 'claimed') = (lease_until is not null)),
    check ((state = 'dead') = (died_at is not null))
) with (
    fillfactor = 80,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.1,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_cost_delay = 0
);

comment on column deliveries.bytes is 'Of input and body, as the limit of the job counts them.';
comment on column deliveries.serial_key is 'Of the rows with the same key one is claimed at a time, in the order of due_at and id.';
comment on column deliveries.token is 'One more with each claim; what is said with an older one has no effect.';
comment on column deliveries.owner is 'The claiming server: name of the instance, slash, id of its life.';
comment on column deliveries.failure is 'Why the last attempt failed.';

-- Claims of a job, the longest due first; counts by state; the removal of a job.
create index deliveries_job on deliveries (job_id, state, due_at, id);
-- Claims whose server was lost.
create index deliveries_lease on deliveries (job_id, lease_until) where state = 'claimed';
-- Dead letters of a job, newest first.
create index deliveries_dead on deliveries (job_id, died_at desc, id desc) where state = 'dead';
-- Whose turn it is, and that it is one delivery's only, even if two servers find at the same moment that it is another's.
create index deliveries_serial on deliveries (serial_key, due_at, id) where state = 'due' and serial_key is not null;
create unique index deliveries_serial_claim on deliveries (serial_key) where state = 'claimed' and serial_key is not null;
-- What a schedule has not finished.
create index deliveries_schedule on deliveries (trigger_id) where kind = 'schedule' and state <> 'dead';

-- How much of a job is in the queue, dead letters included. There is no row before the first delivery.
create table delivery_usage (
    job_id uuid primary key references jobs (id) on delete cascade,
    rows   bigint not null,
    bytes  bigint not null
) with (fillfactor = 50);

-- Counts once for each statement and job, always in the order of the jobs' ids, so that two statements never wait for each
-- other; and tells every server which jobs have something new to deliver.
create function deliveries_inserted() returns trigger
    language plpgsql as
$$
begin
    insert into delivery_usage as u (job_id, rows, bytes)
    select job_id, count(*), sum(bytes) from changed group by job_id order by job_id
    on conflict (job_id) do update set rows = u.rows + excluded.rows, bytes = u.bytes + excluded.bytes;
    perform pg_notify('jobber_deliveries', job_id::text)
    from (select distinct job_id from changed where state = 'due') due;
    return null;
end
$$;

create function deliveries_deleted() returns trigger
    language plpgsql as
$$
begin
    perform from delivery_usage where job_id in (select job_id from changed) order by job_id for update;
    -- The whole job may be going, and its counter with it: nothing to bring back then.
    update delivery_usage u
    set rows = u.rows - gone.rows, bytes = u.bytes - gone.bytes
    from (select job_id, count(*) as rows, sum(bytes) as bytes from changed group by job_id) gone
    where u.job_id = gone.job_id;
    return null;
end
$$;

create trigger deliveries_inserted
    after insert
    on deliveries
    referencing new table as changed
    for each statement
execute function deliveries_inserted();

create trigger deliveries_deleted
    after delete
    on deliveries
    referencing old table as changed
    for each statement
execute function deliveries_deleted();

-- Up to when the instants of a schedule have been dealt with.
create table schedule_cursors (
    trigger_id    uuid primary key references triggers (id) on delete cascade,
    schedule      text        not null,
    handled_until timestamptz not null
) with (fillfactor = 50);

comment on column schedule_cursors.schedule is 'A trigger whose schedule is another one now begins anew.';

-- What became of each instant: it started the function, or why not. Many in a row that did not are one row. What became of
-- the invocation is not here. A job's fires go with its triggers.
create table schedule_fires (
    trigger_id    uuid        not null references triggers (id) on delete cascade,
    at            timestamptz not null,
    job_id        uuid        not null,
    state         text        not null check (state in ('fired', 'skipped', 'missed')),
    invocation_id uuid,
    last_at       timestamptz not null check (last_at >= at),
    instants      bigint      not null default 1 check (instants > 0),
    uncounted     boolean     not null default false,
    reason        text,
    manual        boolean     not null default false,
    recorded_at   timestamptz not null default now(),
    primary key (trigger_id, at),
    check ((state = 'fired') = (invocation_id is not null)),
    check ((state = 'fired') = (reason is null))
);

comment on column schedule_fires.last_at is 'The last instant of the row; its only one is at.';
comment on column schedule_fires.uncounted is 'There were more than instants says.';
comment on column schedule_fires.manual is 'A person asked for it.';

create index schedule_fires_recorded on schedule_fires (recorded_at);

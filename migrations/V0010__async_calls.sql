-- Asynchronous calls: requests that are accepted now and answered later. Each is a delivery (of the kind 'http') until it is dealt
-- with, and a row here for as long as its answer is kept.

create table async_calls (
    id                  uuid primary key,
    job_id              uuid        not null references jobs (id) on delete cascade,
    ending              text check (ending in ('succeeded', 'failed', 'cancelled')),
    created_at          timestamptz not null default now(),
    ended_at            timestamptz,
    attempts            integer     not null default 0 check (attempts >= 0),
    endings             integer     not null default 0 check (endings >= 0),
    head                json,
    body                bytea,
    failure             json,
    callback_url        text,
    callback_state      text check (callback_state in ('pending', 'delivered', 'given-up')),
    callback_tries      integer     not null default 0 check (callback_tries >= 0),
    callback_due_at     timestamptz,
    callback_error      text,
    check ((ending is null) = (ended_at is null)),
    check ((head is null) = (body is null)),
    check (head is null or ending = 'succeeded'),
    check (callback_state is null or callback_url is not null),
    check ((callback_state is not distinct from 'pending') = (callback_due_at is not null))
) with (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_cost_delay = 0
);

comment on column async_calls.ending is 'How it ended last; while its delivery is due or claimed it is under way (again).';
comment on column async_calls.endings is 'How often it ended: a dead letter that is redriven ends once more.';
comment on column async_calls.head is 'Status and header of the answer.';
comment on column async_calls.failure is 'Why there is no answer.';
comment on column async_calls.callback_due_at is 'When the callback is sent, or sent again if the server that is sending it is lost.';

create index async_calls_job on async_calls (job_id);
create index async_calls_ended on async_calls (ended_at) where ended_at is not null;
create index async_calls_callback on async_calls (callback_due_at) where callback_state = 'pending';

-- What clients called their requests, so that one that comes again is known.
create table idempotency_keys (
    job_id      uuid        not null references jobs (id) on delete cascade,
    key         text        not null,
    fingerprint bytea       not null check (octet_length(fingerprint) = 32),
    call_id     uuid        not null,
    expires_at  timestamptz not null,
    primary key (job_id, key)
);

comment on column idempotency_keys.fingerprint is 'Of the request: with the same key another one is refused.';

create index idempotency_keys_call on idempotency_keys (call_id);
create index idempotency_keys_expiry on idempotency_keys (expires_at);

-- Secrets of Jobber's own: of jobs, and (without a job) of all servers of this database.
create table secrets (
    scope       uuid        not null generated always as (coalesce(job_id, '00000000-0000-0000-0000-000000000000')) stored,
    job_id      uuid references jobs (id) on delete cascade,
    name        text        not null,
    sealed      bytea       not null check (octet_length(sealed) >= 49),
    created_at  timestamptz not null default now(),
    valid_until timestamptz,
    primary key (scope, name)
);

comment on column secrets.sealed is 'As in environment_variables.';
comment on column secrets.valid_until is 'Of one that was replaced: how long it is still used beside its successor.';

create index secrets_job on secrets (job_id) where job_id is not null;

-- Of the deliveries that a job has in the queue, those that callers have asked for: they must not take the place of messages and
-- instants.
alter table delivery_usage
    add column calls bigint not null default 0;

create or replace function deliveries_inserted() returns trigger
    language plpgsql as
$$
begin
    insert into delivery_usage as u (job_id, rows, bytes, calls)
    select job_id, count(*), sum(bytes), count(*) filter (where kind = 'http') from changed group by job_id order by job_id
    on conflict (job_id) do update
        set rows = u.rows + excluded.rows, bytes = u.bytes + excluded.bytes, calls = u.calls + excluded.calls;
    perform pg_notify('jobber_deliveries', job_id::text)
    from (select distinct job_id from changed where state = 'due') due;
    return null;
end
$$;

create or replace function deliveries_deleted() returns trigger
    language plpgsql as
$$
begin
    perform from delivery_usage where job_id in (select job_id from changed) order by job_id for update;
    -- The whole job may be going, and its counter with it: nothing to bring back then.
    update delivery_usage u
    set rows = u.rows - gone.rows, bytes = u.bytes - gone.bytes, calls = u.calls - gone.calls
    from (select job_id, count(*) as rows, sum(bytes) as bytes, count(*) filter (where kind = 'http') as calls
          from changed group by job_id) gone
    where u.job_id = gone.job_id;
    return null;
end
$$;

-- Tells every server that calls have ended, once for each transaction: whoever waits for one looks.
create function async_calls_changed() returns trigger
    language plpgsql as
$$
begin
    if exists (select from after a join before b using (id) where a.endings <> b.endings) then
        perform pg_notify('jobber_calls', '');
    end if;
    return null;
end
$$;

create trigger async_calls_changed
    after update
    on async_calls
    referencing old table as before new table as after
    for each statement
execute function async_calls_changed();

-- What should exist (jobs, versions, triggers, variables) and what functions leave behind (logs, stored items).
-- Times are timestamptz; ids are UUIDs made by the server; byte counts are bigint.

create table jobs (
    id             uuid primary key,
    name           text        not null unique,
    description    text,
    enabled        boolean     not null default true,
    active_version uuid,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now()
);

create table versions (
    id           uuid primary key,
    job_id       uuid        not null references jobs (id) on delete cascade,
    name         text        not null,
    manifest     jsonb       not null,
    archive      bytea       not null check (octet_length(archive) = 32),
    files        integer     not null check (files >= 0),
    bytes        bigint      not null check (bytes >= 0),
    packed_bytes bigint      not null check (packed_bytes >= 0),
    import_state text        not null default 'untried' check (import_state in ('untried', 'succeeded', 'failed')),
    import_error jsonb,
    imported_at  timestamptz,
    published_at timestamptz not null default now(),
    unique (job_id, name),
    unique (job_id, id)
);

comment on column versions.manifest is 'The package.json as it was published.';
comment on column versions.archive is 'SHA-256 over the entries'' names and bytes; names the archive in the archive store.';

create index versions_published on versions (job_id, published_at desc);
create index versions_archive on versions (archive);

-- The active version is one of the job's own. Deferred, because a job and its versions are removed together.
alter table jobs
    add constraint jobs_active_version foreign key (id, active_version) references versions (job_id, id)
        deferrable initially deferred;

-- Exactly one for each version.
create table actions (
    id         uuid primary key,
    version_id uuid not null unique references versions (id) on delete cascade
);

-- A trigger outlives the versions that name it: (job, key) is its identity.
create table triggers (
    id         uuid primary key,
    job_id     uuid        not null references jobs (id) on delete cascade,
    key        text        not null,
    kind       text        not null check (kind in ('http', 'schedule', 'mqtt')),
    name       text,
    created_at timestamptz not null default now(),
    unique (job_id, key)
);

create table version_triggers (
    version_id uuid    not null references versions (id) on delete cascade,
    trigger_id uuid    not null references triggers (id) on delete cascade,
    position   integer not null check (position >= 0),
    route      text,
    primary key (version_id, position),
    unique (version_id, trigger_id)
);

comment on column version_triggers.position is 'Index into the manifest''s "triggers".';
comment on column version_triggers.route is 'Of an HTTP trigger: equal for two routes that no request can tell apart.';

create index version_triggers_trigger on version_triggers (trigger_id);
create index version_triggers_route on version_triggers (route) where route is not null;

create table environment_variables (
    job_id     uuid        not null references jobs (id) on delete cascade,
    name       text        not null check (name = upper(name) and name <> ''),
    kind       text        not null check (kind in ('text', 'secret')),
    value      text        not null,
    updated_at timestamptz not null default now(),
    primary key (job_id, name)
);

-- No foreign key: lines are copied in by thousands, and a job that was just removed must not refuse its last batch.
create table runner_logs (
    sequence      bigint generated always as identity,
    job_id        uuid        not null,
    time          timestamptz not null,
    version_id    uuid,
    runner_id     uuid,
    invocation_id uuid,
    stream        text        not null check (stream in ('stdout', 'stderr', 'system')),
    level         text        not null check (level in ('debug', 'info', 'warn', 'error')),
    message       text        not null,
    fields        jsonb
);

create index runner_logs_job_time on runner_logs (job_id, time, sequence);

-- The functions' own key/value store. Keys sort by their bytes.
create table job_store (
    job_id   uuid               not null references jobs (id) on delete cascade,
    key      text collate "C"   not null check (octet_length(key) between 1 and 512),
    value    bytea              not null check (octet_length(value) <= 1000000),
    expiry   timestamptz,
    created  timestamptz        not null default now(),
    modified timestamptz        not null default now(),
    primary key (job_id, key)
);

create index job_store_expiry on job_store (expiry) where expiry is not null;

-- How much a job keeps. Split into shards by key, so that writers of one job do not wait for each other's commit.
create table job_store_usage (
    job_id uuid     not null references jobs (id) on delete cascade,
    shard  smallint not null,
    keys   bigint   not null default 0,
    bytes  bigint   not null default 0,
    primary key (job_id, shard)
);

create function job_store_count() returns trigger
    language plpgsql as
$$
declare
    changed_job   uuid   := case when tg_op = 'DELETE' then old.job_id else new.job_id end;
    changed_key   text   := case when tg_op = 'DELETE' then old.key else new.key end;
    keys_change   bigint := case tg_op when 'INSERT' then 1 when 'DELETE' then -1 else 0 end;
    bytes_change  bigint := 0;
    changed_shard smallint := abs(hashtext(changed_key) % 16);
begin
    if tg_op <> 'DELETE' then
        bytes_change := bytes_change + octet_length(new.key) + octet_length(new.value);
    end if;
    if tg_op <> 'INSERT' then
        bytes_change := bytes_change - octet_length(old.key) - octet_length(old.value);
    end if;
    if keys_change = 0 and bytes_change = 0 then
        return null;
    end if;
    if tg_op = 'DELETE' then
        -- The whole job may be going, and its counters with it: nothing to bring back then.
        update job_store_usage
        set keys = keys + keys_change, bytes = bytes + bytes_change
        where job_id = changed_job and shard = changed_shard;
    else
        insert into job_store_usage as u (job_id, shard, keys, bytes)
        values (changed_job, changed_shard, keys_change, bytes_change)
        on conflict (job_id, shard) do update
            set keys = u.keys + excluded.keys, bytes = u.bytes + excluded.bytes;
    end if;
    return null;
end
$$;

create trigger job_store_counted
    after insert or delete or update of value
    on job_store
    for each row
execute function job_store_count();

-- One row: the hash of the bearer token that guards the admin port until there are accounts.
create table admin_token (
    singleton  boolean primary key default true check (singleton),
    hash       bytea       not null check (octet_length(hash) = 32),
    created_at timestamptz not null default now()
);

-- Tells every server that a job is not what it was. The payload is the job's id; what changed is read from the tables.
create function notify_job() returns trigger
    language plpgsql as
$$
declare
    job uuid;
begin
    if tg_table_name = 'jobs' then
        job := case when tg_op = 'DELETE' then old.id else new.id end;
    else
        job := case when tg_op = 'DELETE' then old.job_id else new.job_id end;
    end if;
    perform pg_notify('jobber_jobs', job::text);
    return null;
end
$$;

create trigger jobs_changed
    after insert or update or delete
    on jobs
    for each row
execute function notify_job();

create trigger environment_variables_changed
    after insert or update or delete
    on environment_variables
    for each row
execute function notify_job();

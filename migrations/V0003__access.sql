-- Who may do what: users, their sessions and tokens, and a record of every change. Of passwords, sessions and tokens only hashes
-- are kept.

create table users (
    id            uuid primary key,
    username      text        not null check (octet_length(username) between 1 and 128),
    password_hash text        not null,
    permissions   jsonb       not null,
    enabled       boolean     not null default true,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

-- Two names that differ only in case would be taken for one another.
create unique index users_username on users (lower(username));

create table sessions (
    id           uuid primary key,
    user_id      uuid        not null references users (id) on delete cascade,
    hash         bytea       not null unique check (octet_length(hash) = 32),
    address      text        not null,
    user_agent   text,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at   timestamptz not null
);

comment on column sessions.hash is 'SHA-256 of the cookie''s value, which has 256 random bits.';

create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

create table api_tokens (
    id           uuid primary key,
    user_id      uuid        not null references users (id) on delete cascade,
    description  text        not null default '',
    prefix       text        not null,
    hash         bytea       not null unique check (octet_length(hash) = 32),
    permissions  jsonb       not null,
    enabled      boolean     not null default true,
    expires_at   timestamptz,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz
);

comment on column api_tokens.prefix is 'How the token begins, so that people can tell one from another.';

create index api_tokens_user on api_tokens (user_id);

-- No foreign keys: what somebody did stays known when they are gone.
create table audit_log (
    sequence   bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    user_id    uuid,
    username   text,
    token_id   uuid,
    address    text        not null,
    action     text        not null,
    resource   text        not null,
    status     smallint    not null,
    before     jsonb,
    after      jsonb
);

comment on column audit_log.user_id is 'Null for the instance''s own token and for a login that failed.';
comment on column audit_log.before is 'What it was, without secrets.';

create index audit_log_user on audit_log (user_id, sequence desc);

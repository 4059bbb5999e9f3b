-- Jobs' variables are encrypted. What an earlier version left in clear is sealed when the server starts.

alter table environment_variables
    alter column value drop not null,
    add column sealed bytea,
    add column bytes integer check (bytes >= 0),
    add constraint environment_variables_one_value check ((value is null) <> (sealed is null)),
    add constraint environment_variables_size check (sealed is null or bytes is not null);

comment on column environment_variables.value is 'In clear; only until the next start.';
comment on column environment_variables.sealed is 'A version byte, the key''s id (8 bytes), a nonce (24 bytes), and the text by XChaCha20-Poly1305.';
comment on column environment_variables.bytes is 'Of the text in clear.';

-- Which key new values are sealed with: a server that does not have it must not start.
create table master_key (
    singleton  boolean primary key default true check (singleton),
    key_id     bytea       not null check (octet_length(key_id) = 8),
    created_at timestamptz not null default now()
);

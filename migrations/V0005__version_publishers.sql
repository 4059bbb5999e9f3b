-- Who published a version. No foreign key: that stays known when they are gone.

alter table versions
    add column published_by      uuid,
    add column published_by_name text;

comment on column versions.published_by is 'Null for the instance''s own token, and for versions from before this column.';

-- Tables of what happened have a partition for each day (UTC), which retention drops as a whole.
--
-- A table is partitioned by a time, or by ids that are UUIDs of version 7: they begin with the moment at which they were made, in
-- milliseconds, so that a range of times is a range of ids and the primary key tells which partition has a row.

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
    -- Read from the catalogue itself: a name that was looked up before the lock may be remembered as not there.
    if exists (
        select
        from pg_inherits
        join pg_class as partition on partition.oid = pg_inherits.inhrelid
        where pg_inherits.inhparent = quote_ident(parent)::regclass and partition.relname = child
    ) then
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

-- The longest time of a minute, so that no percentile, which is estimated between two bounds, is longer than what any invocation took.

alter table metric_rollups
    add column total_max_us   bigint,
    add column queue_max_us   bigint,
    add column handler_max_us bigint;

comment on column metric_rollups.total_max_us is 'The longest of them, in microseconds; null where an earlier release has counted.';
comment on column metric_rollups.queue_max_us is 'Likewise, in the queue.';
comment on column metric_rollups.handler_max_us is 'Likewise, with the runner.';

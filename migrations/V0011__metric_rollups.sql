-- What jobs' invocations came to, minute by minute, so that a graph needs no Prometheus. In daily partitions that retention drops as a
-- whole.

-- A row for each minute in which something of a job ended, and for each kind of trigger. Each life of a server has rows of its own, and
-- writes a row as a whole: writing it again changes nothing. Who reads adds them up.
create table metric_rollups (
    minute        timestamptz not null,
    job_id        uuid        not null,
    kind          text        not null check (kind in ('http', 'mqtt', 'schedule')),
    server_id     uuid        not null,
    succeeded     bigint      not null,
    failed        bigint      not null,
    lost          bigint      not null,
    timed_out     bigint      not null,
    refused       bigint      not null,
    cancelled     bigint      not null,
    turned_away   bigint      not null,
    cold_starts   bigint      not null,
    cold_us       bigint      not null,
    total_us      bigint      not null,
    queue_us      bigint      not null,
    handler_us    bigint      not null,
    total         bigint[]    not null check (cardinality(total) = 18),
    queue         bigint[]    not null check (cardinality(queue) = 18),
    handler       bigint[]    not null check (cardinality(handler) = 18),
    most_waiting  integer     not null,
    most_running  integer     not null,
    most_runners  integer     not null,
    primary key (job_id, minute, kind, server_id)
) partition by range (minute);

comment on column metric_rollups.server_id is 'Which life of which server wrote it.';
comment on column metric_rollups.turned_away is 'Requests that found no place in the queue; they are no invocations.';
comment on column metric_rollups.cold_starts is 'Invocations that waited for a new runner.';
comment on column metric_rollups.cold_us is 'How long they waited for it, in microseconds.';
comment on column metric_rollups.total_us is 'From the admission to the answer, all together, in microseconds.';
comment on column metric_rollups.total is
    'How many took up to 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500 ms, 1, 2.5, 5, 10, 30, 60, 300 s, and longer, each without those before.';
comment on column metric_rollups.queue is 'Likewise, how long they waited in the queue.';
comment on column metric_rollups.handler is 'Likewise, how long the runner had them.';
comment on column metric_rollups.most_waiting is
    'Of the whole job, as seen every second: the same in the rows of all kinds of triggers of a minute and server.';

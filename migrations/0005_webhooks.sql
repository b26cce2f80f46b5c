-- Why: programs of the house want each event pushed, signed and with the certainty
-- that none is lost. What a receiver must still be told is queued in the
-- transaction that stores the event, and only by the event's number: the text is
-- made when it is sent, so no queue remembers a person who was erased meanwhile.

-- Receivers. A receiver's URL and signing secret are in secrets.json under its `id`, which is never used twice.
create table webhooks (
    id            integer primary key autoincrement,
    name          text    not null unique,
    added_at      integer not null,
    -- The filter: JSON arrays, an empty one lets everything through. A user is one of `auth_ids` or one of `code_ids`.
    nuki_ids      text    not null default '[]' check (json_type(nuki_ids) = 'array'),
    auth_ids      text    not null default '[]' check (json_type(auth_ids) = 'array'),
    code_ids      text    not null default '[]' check (json_type(code_ids) = 'array'),
    kinds         text    not null default '[]' check (json_type(kinds) = 'array'),
    refused_only  integer not null default 0 check (refused_only in (0, 1)),
    -- The only certificate authorities that may vouch for it (PEM); the system's if null.
    ca_pem        text,
    -- So many may wait; beyond, the oldest become dead letters.
    queue_limit   integer not null check (queue_limit > 0),
    -- How long one is tried, in milliseconds.
    give_up_after integer not null check (give_up_after > 0),
    -- Counts up when the owner wants it tried at once.
    hurried       integer not null default 0,
    -- How it is doing: failures since it was reached last, and why.
    failures      integer not null default 0,
    last_told_at  integer,
    last_failed_at integer,
    last_error    text,
    next_try_at   integer,
    -- How many became dead letters because too many waited.
    overflowed    integer not null default 0
) strict;

-- What each receiver must still be told, what it was told, and what it would not take.
-- An event may leave by retention while its row here stays, so nothing is enforced between the two.
create table webhook_deliveries (
    id          integer primary key autoincrement,
    webhook_id  integer not null references webhooks (id) on delete cascade,
    event_id    integer not null,
    -- The idempotency key. Random, because numbers come again when an old backup is put back.
    key         text    not null unique default (lower(hex(randomblob(16)))),
    waits_since integer not null,
    state       text    not null default 'waiting' check (state in ('waiting', 'told', 'dead')),
    attempts    integer not null default 0,
    tried_at    integer,
    ended_at    integer,
    -- Why it is a dead letter.
    reason      text,
    unique (webhook_id, event_id),
    check ((state = 'waiting') = (ended_at is null)),
    check ((state = 'dead') = (reason is not null))
) strict;

create index webhook_deliveries_waiting on webhook_deliveries (webhook_id, event_id) where state = 'waiting';
create index webhook_deliveries_dead on webhook_deliveries (webhook_id, event_id) where state = 'dead';
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where state <> 'waiting';

-- Like `entries`, but one row per row of `events`: a question stays a question after it was answered.
create view event_rows as
select
    m.id                                              as row_id,
    m.refers_to                                       as answers,
    m.shown_as                                        as id,
    m.nuki_id                                         as nuki_id,
    l.name                                            as lock_name,
    l.device_type                                     as device_type,
    m.kind                                            as kind,
    m.kind_code                                       as kind_code,
    m.log_epoch                                       as log_epoch,
    m.log_index                                       as log_index,
    m.at                                              as at,
    coalesce(q.observed_at, m.observed_at)            as observed_at,
    coalesce(m.device_time, q.device_time)            as device_time,
    coalesce(m.action, q.action)                      as action,
    coalesce(m.action_code, q.action_code)            as action_code,
    coalesce(m.trigger, q.trigger)                    as trigger,
    coalesce(m.trigger_code, q.trigger_code)          as trigger_code,
    coalesce(m.completion, q.completion)              as completion,
    coalesce(m.completion_code, q.completion_code)    as completion_code,
    coalesce(m.state_before, q.state_before)          as state_before,
    coalesce(m.state_before_code, q.state_before_code) as state_before_code,
    coalesce(m.state_after, q.state_after)            as state_after,
    coalesce(m.state_after_code, q.state_after_code)  as state_after_code,
    m.auth_id                                         as auth_id,
    m.auth_type                                       as auth_type,
    m.auth_type_code                                  as auth_type_code,
    m.auth_name                                       as auth_name,
    m.code_id                                         as code_id,
    m.code_name                                       as code_name,
    m.user_name                                       as user_name,
    m.method                                          as method,
    m.attribution                                     as attribution,
    m.reason                                          as reason,
    m.auto_unlock                                     as auto_unlock,
    m.presses                                         as presses,
    coalesce(q.backfilled, m.backfilled)              as backfilled,
    coalesce(m.intent_id, q.intent_id)                as intent_id,
    coalesce(m.detail, q.detail)                      as detail,
    m.refused                                         as refused,
    case when m.refers_to is not null then m.id end   as answered_by
from events m
left join locks l on l.nuki_id = m.nuki_id
left join events q on q.id = m.refers_to;

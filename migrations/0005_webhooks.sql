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

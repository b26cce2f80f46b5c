-- Why: the first schema. Everything a gateway must remember over a power cut:
-- the locks, who may open them (with validity in time, so that an old event
-- keeps the name of its day), what happened, what was asked, what must be told.
--
-- Habits: times of the host are milliseconds since 1970 UTC; times of a lock
-- are the text it sent. A code from the air stands twice: as a number that
-- never loses anything (`*_code`) and as a name for people. No digits of a
-- keypad code and no secret are ever stored here.
-- A released migration is never edited; a change is a new file.

create table locks (
    nuki_id          integer primary key check (nuki_id between 0 and 4294967295),
    name             text    not null,
    device_type      integer not null,
    firmware_version text,
    has_keypad       integer not null check (has_keypad in (0, 1)),
    paired_at        integer not null,
    -- A reset lock counts its log from 1 again. The epoch keeps the numbers apart.
    log_epoch        integer not null default 0
) strict;

-- Users. A change closes the row (valid_until) and opens a new one.
create table authorizations (
    id               integer primary key autoincrement,
    nuki_id          integer not null references locks (nuki_id),
    auth_id          integer not null,
    id_type          text    not null,
    id_type_code     integer not null,
    name             text    not null,
    enabled          integer not null check (enabled in (0, 1)),
    remote_allowed   integer not null check (remote_allowed in (0, 1)),
    created          text,
    last_active      text,
    lock_count       integer not null,
    time_limited     integer not null check (time_limited in (0, 1)),
    allowed_from     text,
    allowed_until    text,
    allowed_weekdays integer,
    allowed_from_time  text,
    allowed_until_time text,
    valid_from       integer not null,
    valid_until      integer check (valid_until >= valid_from)
) strict;

create unique index authorizations_current on authorizations (nuki_id, auth_id) where valid_until is null;

-- Codes of the keypad: number and name, never the digits.
create table keypad_codes (
    id               integer primary key autoincrement,
    nuki_id          integer not null references locks (nuki_id),
    code_id          integer not null,
    name             text    not null,
    enabled          integer not null check (enabled in (0, 1)),
    created          text,
    last_active      text,
    lock_count       integer not null,
    time_limited     integer not null check (time_limited in (0, 1)),
    allowed_from     text,
    allowed_until    text,
    allowed_weekdays integer,
    allowed_from_time  text,
    allowed_until_time text,
    valid_from       integer not null,
    valid_until      integer check (valid_until >= valid_from)
) strict;

create unique index keypad_codes_current on keypad_codes (nuki_id, code_id) where valid_until is null;

-- Actions that a client asked for. The row stands before the first byte leaves.
create table intents (
    id          integer primary key autoincrement,
    nuki_id     integer not null references locks (nuki_id),
    action      text    not null,
    action_code integer not null,
    requester   text    not null,
    created_at  integer not null,
    state       text    not null default 'open' check (state in ('open', 'done', 'not_done', 'unknown', 'expired')),
    detail      text    not null default '',
    finished_at integer,
    check ((state = 'open') = (finished_at is null))
) strict;

create index intents_open on intents (id) where state = 'open';

-- States as a lock reported them.
create table observations (
    id                integer primary key autoincrement,
    nuki_id           integer not null references locks (nuki_id),
    observed_at       integer not null,
    device_time       text,
    state_before      text,
    state_before_code integer,
    state             text    not null,
    state_code        integer not null,
    trigger           text    not null,
    trigger_code      integer not null,
    door              text,
    door_code         integer,
    battery_critical  integer not null,
    battery_percent   integer,
    payload           blob    not null
) strict;

create index observations_by_lock on observations (nuki_id, id);
create index observations_by_time on observations (nuki_id, observed_at);

-- What happened. Append-only; a late answer is a row that refers to the event it answers.
create table events (
    id                integer primary key autoincrement,
    nuki_id           integer not null references locks (nuki_id),
    log_epoch         integer not null,
    log_index         integer,
    refers_to         integer references events (id),
    -- Under which number it is shown: an answer under that of its question.
    shown_as          integer generated always as (coalesce(refers_to, id)) virtual,
    kind              text    not null,
    kind_code         integer,
    at                integer not null,
    observed_at       integer not null,
    device_time       text,
    action            text,
    action_code       integer,
    trigger           text,
    trigger_code      integer,
    completion        text,
    completion_code   integer,
    state_before      text,
    state_before_code integer,
    state_after       text,
    state_after_code  integer,
    auth_id           integer,
    auth_type         text,
    auth_type_code    integer,
    auth_name         text,
    code_id           integer,
    code_name         text,
    user_name         text,
    method            text    not null,
    attribution       text    not null check (attribution in ('matched', 'pending', 'nobody', 'unknown')),
    reason            text,
    auto_unlock       integer not null check (auto_unlock in (0, 1)),
    presses           integer not null,
    backfilled        integer not null check (backfilled in (0, 1)),
    intent_id         integer references intents (id),
    detail            text,
    raw               blob    not null,
    -- It did not succeed; an answer takes the result of its question if it has none of its own.
    refused           integer not null check (refused in (0, 1)),
    check ((attribution = 'unknown') = (reason is not null))
) strict;

-- An entry of a lock's log is stored once. The other kinds may carry the same number as an entry.
create unique index events_once on events (nuki_id, log_epoch, log_index)
    where log_index is not null and kind not in ('state_change', 'intent_failed', 'gap', 'reset');
-- Rows without a number of their own are recognised by their moment and content.
create index events_unnumbered on events (nuki_id, observed_at)
    where log_index is null or kind in ('state_change', 'intent_failed', 'gap', 'reset');
create unique index events_answer on events (refers_to) where refers_to is not null;
create index events_shown_as on events (shown_as);
create index events_by_lock on events (nuki_id, shown_as);
create index events_by_user on events (auth_id, shown_as) where auth_id is not null;
create index events_by_code on events (code_id, shown_as) where code_id is not null;
create index events_refused on events (shown_as) where refused = 1;

create trigger events_are_not_changed before update on events
begin
    select raise(abort, 'events are append-only: a row cannot be changed');
end;

create trigger events_are_not_deleted before delete on events
begin
    select raise(abort, 'events are append-only: a row cannot be deleted');
end;

-- "insert or replace" deletes without asking the trigger above.
create trigger events_are_not_replaced before insert on events
    when exists (select 1 from events where id = new.id)
begin
    select raise(abort, 'events are append-only: a row cannot be replaced');
end;

-- Pending events that nobody has answered yet. Can be derived from `events`,
-- but then each look would walk through all that were ever pending.
create table unanswered (
    event_id integer primary key references events (id),
    nuki_id  integer not null references locks (nuki_id)
) strict;

create index unanswered_by_lock on unanswered (nuki_id, event_id);

-- Up to which entry a lock's log has been read.
create table cursors (
    nuki_id   integer primary key references locks (nuki_id),
    log_index integer not null
) strict;

-- Receivers of the Bridge API; `id` is the slot that clients see, `seq` is never used twice.
create table callbacks (
    seq      integer primary key autoincrement,
    id       integer not null unique check (id between 0 and 2),
    url      text    not null unique,
    added_at integer not null
) strict;

-- What must be told, per receiver. Rows that ended stay for a while, also those of a removed receiver.
create table outbox (
    id           integer primary key autoincrement,
    callback_seq integer references callbacks (seq) on delete set null,
    url          text    not null,
    nuki_id      integer not null references locks (nuki_id),
    body         text    not null,
    created_at   integer not null,
    state        text    not null default 'waiting' check (state in ('waiting', 'told', 'gave_up')),
    attempts     integer not null default 0,
    tried_at     integer,
    ended_at     integer,
    reason       text,
    check ((state = 'waiting') = (ended_at is null))
) strict;

create index outbox_waiting on outbox (callback_seq, id) where state = 'waiting';
create index outbox_ended on outbox (ended_at) where state <> 'waiting';
create index outbox_by_callback on outbox (callback_seq);

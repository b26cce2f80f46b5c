-- Why: a client that names its request to change a keypad code must not have
-- it done twice, after a restart either; and whoever looks after a house may
-- ask which client changed a code, and when.

-- What clients asked for. The row stands before the first byte leaves. No digits, no name: those are the lock's.
create table code_changes (
    id          integer primary key autoincrement,
    nuki_id     integer not null references locks (nuki_id),
    change      text    not null check (change in ('add', 'update', 'remove')),
    -- Which code; of a new one once the lock has given it a number.
    code_id     integer,
    -- Name of the client's token.
    requester   text    not null,
    created_at  integer not null,
    state       text    not null default 'open' check (state in ('open', 'done', 'refused', 'not_sent', 'unknown')),
    -- What the lock said, where it refused.
    error_code  integer,
    finished_at integer,
    -- SHA-256 of the request's key, and of what it asked for, salted with the key; no digits are in it.
    key_digest  blob,
    wish        blob,
    check ((state = 'open') = (finished_at is null)),
    check ((key_digest is null) = (wish is null))
) strict;

create unique index code_changes_keys on code_changes (requester, key_digest) where key_digest is not null;
create index code_changes_by_time on code_changes (nuki_id, created_at);

-- Why: some of what a gateway knows of a lock must outlive it. A PIN that was
-- refused must not be tried again by whoever starts next, for locks ban who
-- guesses; and the command line says how a lock is, also while nothing runs.
-- One row per lock, overwritten: this is no history.

create table lock_health (
    nuki_id        integer primary key references locks (nuki_id),
    -- Tries with the PIN that the owner set last; nothing of the PIN itself (docs/adr/0012).
    pin_refused    integer not null default 0 check (pin_refused >= 0),
    pin_unanswered integer not null default 0 check (pin_unanswered >= 0),
    pin_proven     integer not null default 0 check (pin_proven in (0, 1)),
    -- How often the owner has set it; a running gateway notices that it grows.
    pin_set        integer not null default 0,
    -- When people and codes were read whole, and how many there were.
    directory_at   integer,
    users          integer,
    codes          integer,
    -- The lock's clock as it was read last: the host's time then, what the lock showed, its zone offset in
    -- minutes, and how many milliseconds it was ahead.
    clock_at       integer,
    device_time    text,
    zone_offset    integer,
    clock_skew     integer,
    check ((clock_at is null) = (clock_skew is null))
) strict;

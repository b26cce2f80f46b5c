-- Why: a receiver of callbacks may want the vendor's keys alone, and a client
-- that names its request must not have it executed twice, after a restart
-- either.

-- Whether it gets the vendor's keys alone; set from the configuration at each start.
alter table callbacks add column bare integer not null default 0 check (bare in (0, 1));

-- Keys by which clients name their requests (`Idempotency-Key`), as SHA-256, and the intent that each became.
create table intent_keys (
    requester  text    not null,
    digest     blob    not null,
    intent_id  integer not null references intents (id) on delete cascade,
    created_at integer not null,
    primary key (requester, digest)
) strict, without rowid;

create index intent_keys_by_time on intent_keys (requester, created_at);
create index intent_keys_by_intent on intent_keys (intent_id);

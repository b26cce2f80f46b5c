-- Why: an audit log is worth as much as it can prove. Each event is chained to
-- the one before it, so that a row which was changed, removed or slipped in
-- behind our back is found (`keyturner verify`, docs/adr/0010).
--
-- content = SHA-256 over every column of `events` that is about no person, the number among them
-- person  = SHA-256 over a salt and every column of `events` that is about a person
-- hash    = SHA-256 over the hash of the event before, content and person
-- How, byte by byte, says docs/chain.md.
--
-- Who is erased loses the columns and the salt: `person` then says nothing any
-- more and still closes the chain. An event that retention removes leaves its
-- `content` here. Either is itself an event, named by `erased_by`, `removed_by`.

create table chain (
    id         integer primary key,
    salt       blob check (length(salt) = 16),
    person     blob not null check (length(person) = 32),
    content    blob check (length(content) = 32),
    hash       blob not null check (length(hash) = 32),
    erased_by  integer check (erased_by > id),
    removed_by integer check (removed_by > id),
    check ((content is null) = (removed_by is null)),
    check ((salt is null) = (erased_by is not null or removed_by is not null))
) strict;

create index chain_erased on chain (erased_by, id) where erased_by is not null;
create index chain_removed on chain (removed_by, id) where removed_by is not null;

-- Where the chain begins: everything up to `id` was removed by retention, and `hash` is what the next event builds on.
create table chain_start (
    only_row integer primary key check (only_row = 1),
    id       integer not null,
    hash     blob    not null check (length(hash) = 32)
) strict;

insert into chain_start (only_row, id, hash) values (1, 0, zeroblob(32));

-- Events of versions without a chain, up to this number, are sealed when the file is opened next; then the row goes.
-- Whatever else stands in `events` without a row in `chain` was slipped in.
create table unchained (
    only_row integer primary key check (only_row = 1),
    up_to    integer not null
) strict;

insert into unchained (only_row, up_to) select 1, max(id) from events having max(id) is not null;

-- Retention asks for each intent whether an event still refers to it.
create index events_by_intent on events (intent_id) where intent_id is not null;

-- Two clocks: how far the lock's was ahead of ours when its state was read last, in milliseconds, and its
-- zone offset in minutes. `device_time` is the lock's clock as it sent it, `observed_at` is the host's.
alter table events add column zone_offset integer;
alter table events add column clock_skew integer;
alter table observations add column zone_offset integer;
alter table observations add column clock_skew integer;

-- Of an event, nothing is ever changed but this: its person is erased.
drop trigger events_are_not_changed;

create trigger events_are_not_changed before update on events
    when not (
        exists (select 1 from chain c where c.id = old.id and c.erased_by is not null and c.salt is null)
        and new.auth_id is null and new.auth_name is null and new.code_id is null and new.code_name is null
        and new.user_name is null and length(new.raw) = 0
        and (new.id, new.nuki_id, new.log_epoch, new.log_index, new.refers_to, new.kind, new.kind_code, new.at,
             new.observed_at, new.device_time, new.action, new.action_code, new.trigger, new.trigger_code,
             new.completion, new.completion_code, new.state_before, new.state_before_code, new.state_after,
             new.state_after_code, new.auth_type, new.auth_type_code, new.method, new.attribution, new.reason,
             new.auto_unlock, new.presses, new.backfilled, new.intent_id, new.detail, new.refused,
             new.zone_offset, new.clock_skew)
            is (old.id, old.nuki_id, old.log_epoch, old.log_index, old.refers_to, old.kind, old.kind_code, old.at,
             old.observed_at, old.device_time, old.action, old.action_code, old.trigger, old.trigger_code,
             old.completion, old.completion_code, old.state_before, old.state_before_code, old.state_after,
             old.state_after_code, old.auth_type, old.auth_type_code, old.method, old.attribution, old.reason,
             old.auto_unlock, old.presses, old.backfilled, old.intent_id, old.detail, old.refused,
             old.zone_offset, old.clock_skew)
    )
begin
    select raise(abort, 'events are append-only: a row cannot be changed');
end;

-- Nothing is deleted that did not leave its place in the chain.
drop trigger events_are_not_deleted;

create trigger events_are_not_deleted before delete on events
    when not exists (select 1 from chain c where c.id = old.id and c.removed_by is not null)
begin
    select raise(abort, 'events are append-only: a row cannot be deleted');
end;

-- Guards against mistakes, not against whoever can write the file: that is what `keyturner verify` is for.
create trigger chain_is_not_changed before update on chain
    when (new.id, new.person, new.hash) is not (old.id, old.person, old.hash)
        or (old.salt is null and new.salt is not null)
        or (old.erased_by is not null and new.erased_by is not old.erased_by)
        or (old.removed_by is not null and (new.removed_by, new.content) is not (old.removed_by, old.content))
begin
    select raise(abort, 'the chain is append-only: a row cannot be changed');
end;

create trigger chain_is_not_deleted before delete on chain
    when old.removed_by is null
begin
    select raise(abort, 'the chain is append-only: a row cannot be deleted');
end;

create trigger chain_is_not_replaced before insert on chain
    when exists (select 1 from chain where id = new.id)
begin
    select raise(abort, 'the chain is append-only: a row cannot be replaced');
end;

-- Why: who asked through the API is part of what happened, so the views name
-- the client behind an event. And what is known of credentials outlives the
-- process: when each token was used last, and after an orderly stop which
-- single-use credentials were used.

-- When each token was used last, to the minute; its name says nothing of its text.
create table token_uses (
    name    text primary key,
    used_at integer not null
) strict, without rowid;

-- The memory for used credentials, from an orderly stop to the next start, which empties it.
create table used_credentials (
    second     integer not null,
    credential blob    not null,
    primary key (second, credential)
) strict, without rowid;

-- One row while there is such a memory: the last second whose credentials are refused whatever they are.
create table credential_floor (
    id     integer primary key check (id = 1),
    second integer not null
) strict;

drop view entries;
drop view event_rows;

-- As before, and `client`: the name of the token whose client asked for it.
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
    (select i.requester from intents i where i.id = coalesce(m.intent_id, q.intent_id)) as client,
    coalesce(m.detail, q.detail)                      as detail,
    m.refused                                         as refused,
    -- The clock that belongs to the time shown.
    case when m.device_time is null then coalesce(q.zone_offset, m.zone_offset) else m.zone_offset end as zone_offset,
    case when m.device_time is null then coalesce(q.clock_skew, m.clock_skew) else m.clock_skew end as clock_skew,
    case when m.refers_to is not null then m.id end   as answered_by,
    exists (select 1 from chain c where c.id = m.id and c.erased_by is not null) as erased
from events m
-- left joins, so that the order by id stays with the index of m
left join locks l on l.nuki_id = m.nuki_id
left join events q on q.id = m.refers_to;

-- The last word on each thing: a row of its own, or the answer to one.
-- Who it was, always comes from that row alone, so that the indexes on persons serve.
create view entries as
select
    id, nuki_id, lock_name, device_type, kind, kind_code, log_epoch, log_index, at, observed_at, device_time,
    action, action_code, trigger, trigger_code, completion, completion_code,
    state_before, state_before_code, state_after, state_after_code,
    auth_id, auth_type, auth_type_code, auth_name, code_id, code_name, user_name,
    method, attribution, reason, auto_unlock, presses, backfilled, intent_id, client, detail, refused,
    zone_offset, clock_skew, answered_by, erased
from event_rows r
where not exists (select 1 from events a where a.refers_to = r.row_id);

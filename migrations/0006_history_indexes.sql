-- Why: a page of the history must cost the same anywhere in a log of ten
-- million events, by number as well as by time (docs/adr/0015). A page by number
-- walks an index that ends in `shown_as`, a page within a range of time one that
-- ends in `at, shown_as`; neither sorts. Each index costs a write of some bytes
-- per event beside the sync of the commit, which costs a thousand times more.
--
-- The indexes by number stand in 0001; none of them has become useless.

create index events_by_time on events (at, shown_as);
create index events_by_lock_and_time on events (nuki_id, at, shown_as);
create index events_by_user_and_time on events (auth_id, at, shown_as) where auth_id is not null;
create index events_by_code_and_time on events (code_id, at, shown_as) where code_id is not null;
create index events_refused_by_time on events (at, shown_as) where refused = 1;

-- Every row of `events` with what it takes over from its question: what is told live, one message a row.
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
    -- The clock that belongs to the time shown.
    case when m.device_time is null then coalesce(q.zone_offset, m.zone_offset) else m.zone_offset end as zone_offset,
    case when m.device_time is null then coalesce(q.clock_skew, m.clock_skew) else m.clock_skew end as clock_skew,
    case when m.refers_to is not null then m.id end   as answered_by
from events m
-- left joins, so that the order by id stays with the index of m
left join locks l on l.nuki_id = m.nuki_id
left join events q on q.id = m.refers_to;

-- The same, now with the two clocks: the last word on each thing.
drop view entries;

create view entries as
select
    id, nuki_id, lock_name, device_type, kind, kind_code, log_epoch, log_index, at, observed_at, device_time,
    action, action_code, trigger, trigger_code, completion, completion_code,
    state_before, state_before_code, state_after, state_after_code,
    auth_id, auth_type, auth_type_code, auth_name, code_id, code_name, user_name,
    method, attribution, reason, auto_unlock, presses, backfilled, intent_id, detail, refused,
    zone_offset, clock_skew, answered_by
from event_rows r
where not exists (select 1 from events a where a.refers_to = r.row_id);

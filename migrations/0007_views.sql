-- Why: an auditor opens the file with `sqlite3` and asks. The views say who,
-- what and how in words and in the time of the house, name the client behind
-- an action of ours, and answer fast over a million events (docs/sqlite.md).
--
-- `event_rows`          every row of `events` with what it takes over from its question; what is told live
-- `entries`             one row per thing that happened, codes and names; a late answer is joined in
-- `audit`               the same as sentences
-- `refused`             the rows of `audit` that did not succeed
-- `users`               authorizations and keypad codes, now and formerly
-- `last_by_user`        when each of them was last seen at the door
-- `unlocked_intervals`  from when until when a bolt was not locked
-- `door_open_intervals` from when until when a door stood open
--
-- `entries` is as it is on disk. The other views are for terminals: in names,
-- which come from the air, control characters and those that turn the writing
-- direction stand as U+FFFD. `local_at` is the time at the door by the zone
-- that the lock had when it was read, or UTC where `zone` is null.

drop view last_by_user;
drop view users;
drop view refused;
drop view audit;
drop view entries;

-- Who was seen where, and when: `last_by_user` reads nothing else.
create index events_seen on events (nuki_id, auth_id, code_id, at, shown_as)
    where attribution = 'matched' and refused = 0;

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
    method, attribution, reason, auto_unlock, presses, backfilled, intent_id, detail, refused,
    zone_offset, clock_skew, answered_by, erased
from event_rows r
where not exists (select 1 from events a where a.refers_to = r.row_id);

-- What must not reach a terminal, as a pattern for `glob`: control characters, marks of direction, line separators.
create view unprintable as
select '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || char(8206, 8207)
    || char(8232) || '-' || char(8238) || char(8294) || '-' || char(8297) || ']*' as some;

create view printable_locks as
select
    nuki_id,
    printf('%08X', nuki_id) as lock_id,
    case when name glob (select some from unprintable) then (
        with recursive shown(at, text) as (
            select 1, ''
            union all
            select at + 1, text || case when substr(name, at, 1) glob (select some from unprintable)
                then char(65533) else substr(name, at, 1) end
            from shown where at <= length(name)
        )
        select text from shown where at > length(name)
    ) else name end as name
from locks;

create view audit as
select
    id,
    strftime('%Y-%m-%d %H:%M:%SZ', at / 1000, 'unixepoch') as at,
    lock,
    case
        when erased then 'somebody (erased)'
        when kind = 'erasure' then 'the owner'
        when kind in ('gap', 'retention') then 'Keyturner'
        when requester is not null then 'a client (' || requester || ')'
        when kind = 'intent_failed' then 'a client (?)'
        when name is not null then name
        when kind in ('reset', 'firmware_update', 'unknown_entry') then 'the lock itself'
        when kind = 'door' and kind_code in (2, 3) then 'the lock itself'
        when kind = 'ring' then 'somebody'
        when completion_code in (224, 225) then 'somebody'
        when attribution = 'pending' then 'not known yet'
        when attribution = 'unknown' then 'unknown (' || replace(reason, '_', ' ') || ')'
        when coalesce(code_id, 0) <> 0 then 'keypad code ' || code_id
        when method in ('auto_lock', 'time_control', 'device') then 'the lock itself'
        when attribution = 'matched' and auth_id is not null then 'authorization ' || auth_id
        else 'somebody'
    end as who,
    case
        when kind = 'door' then case kind_code
            when 0 then 'opened the door'
            when 1 then 'closed the door'
            when 2 then 'reported a jammed door sensor'
            when 3 then 'reported a tampered door sensor'
            else 'moved the door in an unknown way (' || kind_code || ')'
        end
        when kind = 'erasure' then 'erased a person'
            || (select ' from ' || nullif(count(*), 0) || ' events' from chain c where c.erased_by = x.id)
        when kind = 'retention' then 'removed old events'
        when kind = 'ring' then 'rang the bell'
        when kind = 'calibration' then 'calibrated the lock'
        when kind = 'initialisation' then 'started the lock up'
        when kind = 'logging' then case kind_code when 1 then 'switched the log on' else 'switched the log off' end
        when kind = 'door_sensor_logging'
            then case kind_code when 1 then 'switched the door log on' else 'switched the door log off' end
        when kind = 'firmware_update' then 'got new firmware'
        when kind = 'gap' then 'missed log entries'
        when kind = 'reset' then 'began a new log'
        when kind = 'unknown_entry' then 'logged something of unknown type ' || coalesce(kind_code, '?')
        when completion_code = 224 then 'entered a wrong code'
        when completion_code = 225 then 'used an unknown finger'
        when action_code is null or action_code = 0 then case state_after_code
            when 1 then 'locked the door'
            when 3 then 'unlocked the door'
            when 5 then 'pulled the latch'
            when 6 then 'started lock ''n'' go'
            when 254 then 'met a blocked motor'
            else 'changed the lock to ' || replace(coalesce(state_after, 'an unknown state'), '_', ' ')
        end
        when refused = 1 then 'tried to ' || case action_code
            when 1 then 'unlock the door'
            when 2 then 'lock the door'
            when 3 then 'pull the latch'
            when 4 then 'start lock ''n'' go'
            when 5 then 'pull the latch with lock ''n'' go'
            when 6 then 'lock the door fully'
            else 'do ' || replace(action, '_', ' ')
        end
        else case action_code
            when 1 then 'unlocked the door'
            when 2 then 'locked the door'
            when 3 then 'pulled the latch'
            when 4 then 'started lock ''n'' go'
            when 5 then 'pulled the latch with lock ''n'' go'
            when 6 then 'locked the door fully'
            when 80 then 'pressed the fob'
            when 90 then 'pressed the button'
            else 'did ' || replace(action, '_', ' ')
        end
    end as what,
    case iif(kind in ('erasure', 'retention'), '', method)
        when 'code' then case when coalesce(code_id, 0) <> 0 then 'with keypad code ' || code_id else 'at the keypad' end
        when 'fingerprint' then case completion_code when 225 then 'at the keypad' else 'with a finger at the keypad' end
        when 'arrow_key' then 'with the keypad''s arrow key'
        when 'button' then 'with the button'
        when 'fob' then 'with the fob'
        when 'app' then 'with the app'
        when 'bridge' then 'through the bridge'
        when 'auto_lock' then 'by auto lock'
        when 'time_control' then 'by time control'
        when 'manual' then 'by hand'
        when 'homekit' then 'with HomeKit'
        when 'mqtt' then 'over MQTT'
        when 'door_sensor' then ''
        when 'device' then 'by itself'
        else ''
    end
    || case when auto_unlock = 1 then ' (auto unlock)' else '' end
    || case presses when 0 then '' when 1 then ' (1 press)' else ' (' || presses || ' presses)' end
    || case when intent_id is not null then ' (intent ' || intent_id || ')' else '' end as how,
    replace(coalesce(completion, ''), '_', ' ') as result,
    attribution as certainty,
    device_time,
    case backfilled when 1 then 'yes' else 'no' end as backfilled,
    coalesce(detail, '') as detail,
    lock_id,
    auth_id,
    code_id,
    log_index,
    answered_by,
    strftime('%Y-%m-%d %H:%M:%S', at / 1000 + coalesce(zone_offset, 0) * 60, 'unixepoch') as local_at,
    case when zone_offset is not null
        then printf('%s%02d:%02d', iif(zone_offset < 0, '-', '+'), abs(zone_offset) / 60, abs(zone_offset) % 60)
    end as zone,
    at as at_ms,
    kind,
    name,
    requester as client,
    reason,
    refused,
    erased
from (
    select
        e.*,
        case when e.user_name glob (select some from unprintable) then (
            with recursive shown(at, text) as (
                select 1, ''
                union all
                select at + 1, text || case when substr(e.user_name, at, 1) glob (select some from unprintable)
                    then char(65533) else substr(e.user_name, at, 1) end
                from shown where at <= length(e.user_name)
            )
            select text from shown where at > length(e.user_name)
        ) else e.user_name end as name,
        p.name as lock,
        p.lock_id as lock_id,
        (select requester from intents i where i.id = e.intent_id) as requester
    from entries e
    left join printable_locks p on p.nuki_id = e.nuki_id
) x;

create view refused as select * from audit where refused = 1;

create view users as
select
    p.name as lock,
    p.lock_id as lock_id,
    u.kind as kind,
    u.number as number,
    case when u.name glob (select some from unprintable) then (
        with recursive shown(at, text) as (
            select 1, ''
            union all
            select at + 1, text || case when substr(u.name, at, 1) glob (select some from unprintable)
                then char(65533) else substr(u.name, at, 1) end
            from shown where at <= length(u.name)
        )
        select text from shown where at > length(u.name)
    ) else u.name end as name,
    case u.enabled when 1 then 'yes' else 'no' end as enabled,
    strftime('%Y-%m-%d %H:%M:%SZ', u.valid_from / 1000, 'unixepoch') as valid_from,
    strftime('%Y-%m-%d %H:%M:%SZ', u.valid_until / 1000, 'unixepoch') as valid_until,
    replace(u.allowed_from, 'T', ' ') as allowed_from,
    replace(u.allowed_until, 'T', ' ') as allowed_until,
    -- Bit 6 is Monday, bit 0 Sunday, no bit every day.
    case when u.allowed_weekdays & 127 then trim(
        iif(u.allowed_weekdays & 64, 'Mon ', '') || iif(u.allowed_weekdays & 32, 'Tue ', '')
        || iif(u.allowed_weekdays & 16, 'Wed ', '') || iif(u.allowed_weekdays & 8, 'Thu ', '')
        || iif(u.allowed_weekdays & 4, 'Fri ', '') || iif(u.allowed_weekdays & 2, 'Sat ', '')
        || iif(u.allowed_weekdays & 1, 'Sun ', '')) end as allowed_days,
    nullif(u.allowed_from_time || '-' || u.allowed_until_time, '00:00-00:00') as allowed_hours
from (
    select nuki_id, id_type as kind, auth_id as number, name, enabled, valid_from, valid_until,
        allowed_from, allowed_until, allowed_weekdays, allowed_from_time, allowed_until_time
    from authorizations
    union all
    select nuki_id, 'keypad_code', code_id, name, enabled, valid_from, valid_until,
        allowed_from, allowed_until, allowed_weekdays, allowed_from_time, allowed_until_time
    from keypad_codes
) u
join printable_locks p on p.nuki_id = u.nuki_id;

-- A refused attempt proves nobody's presence. A code counts for itself, not for the keypad it was typed on.
-- Counted from the index `events_seen` alone: what is matched has no later answer. Beside max(), SQLite takes the
-- other columns from the row that has the maximum.
create view last_by_user as
select
    a.lock,
    a.lock_id,
    a.name,
    s.auth_id,
    s.code_id,
    a.at as last_at,
    a.what as last_what,
    s.times,
    s.event_id,
    a.local_at as last_local_at
from (
    select nuki_id, auth_id, code_id, count(*) as times, max(at) as last_at, shown_as as event_id
    from events indexed by events_seen
    where attribution = 'matched' and refused = 0 and (auth_id is not null or code_id is not null)
    group by nuki_id, auth_id, code_id
) s
join audit a on a.id = s.event_id;

-- In order of time: what was seen before its entry was read stands where it was seen, also in front of older entries.
-- Whether the bolt may have been in, after each thing that tells: the state that was seen, else the action.
-- A blocked motor leaves it anywhere, so it is not known to be locked; a lock 'n' go leaves it in until it locks.
create view bolt_rests as
select
    nuki_id,
    id,
    at,
    zone_offset,
    coalesce(state_after_code <> 1, action_code not in (2, 6)) as is_unlocked
from entries
where state_after_code is not null
   or (kind in ('lock_action', 'keypad_action') and completion_code = 0 and action_code between 1 and 6);

create view unlocked_intervals as
with
    rests as (
        select *, lag(is_unlocked) over (partition by nuki_id order by at, id) as was from bolt_rests
    ),
    turns as (
        select
            *,
            lead(id) over (partition by nuki_id order by at, id) as end_id,
            lead(at) over (partition by nuki_id order by at, id) as end_at,
            lead(zone_offset) over (partition by nuki_id order by at, id) as end_zone_offset
        from rests
        where is_unlocked is not was
    )
select
    p.name as lock,
    p.lock_id as lock_id,
    strftime('%Y-%m-%d %H:%M:%S', t.at / 1000 + coalesce(t.zone_offset, 0) * 60, 'unixepoch') as local_from,
    strftime('%Y-%m-%d %H:%M:%S', t.end_at / 1000 + coalesce(t.end_zone_offset, 0) * 60, 'unixepoch') as local_until,
    round((t.end_at - t.at) / 60000.0, 1) as minutes,
    (select who from audit a where a.id = t.id) as unlocked_by,
    (select who from audit a where a.id = t.end_id) as locked_by,
    t.at as from_ms,
    t.end_at as until_ms,
    t.id as from_id,
    t.end_id as until_id
from turns t
left join printable_locks p on p.nuki_id = t.nuki_id
where t.is_unlocked = 1;

create view door_moves as
select nuki_id, id, at, zone_offset, kind_code = 0 as is_open from entries where kind = 'door' and kind_code in (0, 1);

create view door_open_intervals as
with
    rests as (
        select *, lag(is_open) over (partition by nuki_id order by at, id) as was from door_moves
    ),
    turns as (
        select
            *,
            lead(id) over (partition by nuki_id order by at, id) as end_id,
            lead(at) over (partition by nuki_id order by at, id) as end_at,
            lead(zone_offset) over (partition by nuki_id order by at, id) as end_zone_offset
        from rests
        where is_open is not was
    )
select
    p.name as lock,
    p.lock_id as lock_id,
    strftime('%Y-%m-%d %H:%M:%S', t.at / 1000 + coalesce(t.zone_offset, 0) * 60, 'unixepoch') as local_from,
    strftime('%Y-%m-%d %H:%M:%S', t.end_at / 1000 + coalesce(t.end_zone_offset, 0) * 60, 'unixepoch') as local_until,
    round((t.end_at - t.at) / 60000.0, 1) as minutes,
    t.at as from_ms,
    t.end_at as until_ms,
    t.id as from_id,
    t.end_id as until_id
from turns t
left join printable_locks p on p.nuki_id = t.nuki_id
where t.is_open = 1;

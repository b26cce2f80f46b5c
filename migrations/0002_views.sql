-- Why: views are the database's face for people with `sqlite3` and may change
-- without touching a table, so they live apart from the first schema.
--
-- `entries`      one row per thing that happened, codes and names; a late answer is joined in
-- `audit`        the same as sentences
-- `refused`      the rows of `audit` that did not succeed
-- `users`        authorizations and keypad codes, now and formerly
-- `last_by_user` when each of them was last seen at the door

-- m is the last word on a thing: a row of its own, or the answer to q.
-- Who it was, always comes from m alone, so that the indexes on persons serve.
create view entries as
select
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
-- left joins, so that the order by id stays with the index of m
left join locks l on l.nuki_id = m.nuki_id
left join events q on q.id = m.refers_to
where not exists (select 1 from events a where a.refers_to = m.id);

create view audit as
select
    id,
    strftime('%Y-%m-%d %H:%M:%SZ', at / 1000, 'unixepoch') as at,
    lock_name as lock,
    case
        when user_name is not null then user_name
        when kind = 'gap' then 'Keyturner'
        when kind = 'intent_failed' then 'a client (' || coalesce((select requester from intents i where i.id = intent_id), '?') || ')'
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
    case method
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
    printf('%08X', nuki_id) as lock_id,
    auth_id,
    code_id,
    log_index,
    answered_by
from entries;

create view refused as
select a.*
from entries e
join audit a on a.id = e.id
where e.refused = 1;

create view users as
select
    l.name as lock,
    printf('%08X', u.nuki_id) as lock_id,
    u.kind as kind,
    u.number as number,
    u.name as name,
    case u.enabled when 1 then 'yes' else 'no' end as enabled,
    strftime('%Y-%m-%d %H:%M:%SZ', u.valid_from / 1000, 'unixepoch') as valid_from,
    strftime('%Y-%m-%d %H:%M:%SZ', u.valid_until / 1000, 'unixepoch') as valid_until
from (
    select nuki_id, id_type as kind, auth_id as number, name, enabled, valid_from, valid_until from authorizations
    union all
    select nuki_id, 'keypad_code', code_id, name, enabled, valid_from, valid_until from keypad_codes
) u
join locks l on l.nuki_id = u.nuki_id;

-- A refused attempt proves nobody's presence. A code counts for itself, not for the keypad it was typed on.
-- With max() in it, SQLite takes the other columns from the row that has the maximum.
create view last_by_user as
select
    lock_name as lock,
    printf('%08X', nuki_id) as lock_id,
    user_name as name,
    auth_id,
    code_id,
    strftime('%Y-%m-%d %H:%M:%SZ', at / 1000, 'unixepoch') as last_at,
    action as last_action,
    count(*) as times,
    max(id) as event_id
from entries
where attribution = 'matched' and refused = 0 and (auth_id is not null or code_id is not null)
group by nuki_id, auth_id, code_id;

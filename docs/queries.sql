-- Twenty questions to the event log, to be copied one by one or run as they are:
--     sqlite3 -readonly keyturner.db < docs/queries.sql
-- What may be asked otherwise stands in `ask` at the top of a query: put your own names, days and hours there.
-- `local_at` is the time at the door and `zone` its offset from UTC; 'localtime' is the zone of the machine.
-- docs/sqlite.md describes the views.

-- 1. Who was in between 8 and 10 on Monday?
-- An index finds the days around it by `at_ms`, which is UTC; the hours are compared at the door.
with ask(since, until) as (values ('2026-11-23 08:00:00', '2026-11-23 10:00:00'))
select local_at, zone, lock, who, what, how
from ask, audit
where at_ms between (unixepoch(since) - 86400) * 1000 and (unixepoch(until) + 86400) * 1000
    and local_at >= since and local_at < until
    and kind in ('lock_action', 'keypad_action', 'state_change') and refused = 0 and who <> 'the lock itself'
order by at_ms, id;

-- 2. Who opened first today, and on the six days before?
-- A day begins at four in the morning: who comes home late is not the first of the next day.
-- Beside min(), SQLite takes the other columns from the row that has the minimum.
with ask(since) as (values (date('now', 'localtime', '-4 hours', '-6 days')))
select date(local_at, '-4 hours') as day, lock, min(local_at) as first_at, who, how
from ask, audit
where at_ms >= (unixepoch(since) - 86400) * 1000 and date(local_at, '-4 hours') >= since
    and refused = 0 and what in ('unlocked the door', 'pulled the latch', 'started lock ''n'' go',
        'pulled the latch with lock ''n'' go')
    and who <> 'the lock itself'
group by day, lock_id
order by day, lock;

-- 3. When was each person at the door last?
select name, lock, last_local_at, last_what, times, auth_id, code_id
from last_by_user
order by last_at desc;

-- 4. How often did each person come this month?
-- A person is a number, so a new name starts no new row; the newest name is shown. A client of the API counts for itself.
with ask(month) as (values (strftime('%Y-%m', 'now', 'localtime')))
select lock, who, count(*) as times, count(distinct substr(local_at, 1, 10)) as days, max(local_at) as last_at
from ask, audit
where at_ms >= (unixepoch(month || '-01') - 86400) * 1000 and substr(local_at, 1, 7) = month
    and certainty = 'matched' and refused = 0
group by lock_id, auth_id, code_id, client
order by times desc, lock, who;

-- 5. What did Anna do, also under former names?
-- The lists of users lead from a name to a number, and the number to all its events. "cross" keeps SQLite in that order.
with
    ask(name) as (values ('Anna')),
    numbers as (
        select distinct u.lock_id, u.kind = 'keypad_code' as is_code, u.number
        from users u join ask on u.name = ask.name
    )
select a.id, a.local_at, a.lock, a.who, a.what, a.how, a.result
from numbers n cross join audit a on a.code_id = n.number and a.lock_id = n.lock_id
where n.is_code
union all
select a.id, a.local_at, a.lock, a.who, a.what, a.how, a.result
from numbers n cross join audit a on a.auth_id = n.number and a.lock_id = n.lock_id
where not n.is_code and a.code_id is null
order by 2, 1;

-- 6. Which of today's codes were not used for 90 days?
-- Without an entry in the log a code can still have been used before Keyturner came.
with ask(since) as (values (datetime('now', '-90 days')))
select u.lock, u.number as code_id, u.name, u.enabled, u.valid_from as known_since,
    coalesce(max(s.last_at), 'never') as last_at
from ask, users u
left join last_by_user s on s.lock_id = u.lock_id and s.code_id = u.number
where u.kind = 'keypad_code' and u.valid_until is null
group by u.lock_id, u.number
having max(s.last_at) is null or max(s.last_at) < max(since)
order by u.lock, last_at, code_id;

-- 7. How many attempts were refused or failed, per hour?
select substr(local_at, 1, 13) || ':00' as hour, lock, count(*) as refused,
    group_concat(distinct coalesce(nullif(result, ''), detail)) as why
from refused
group by hour, lock_id
order by hour, lock;

-- 8. When were three wrong codes typed within five minutes?
-- One row for each attempt that was the third or more.
with
    ask(count, minutes) as (values (3, 5)),
    wrong as (
        select
            local_at, lock, what, at_ms,
            lag(at_ms, (select count from ask) - 1) over (partition by lock_id order by at_ms, id) as first_ms
        from refused
        where what in ('entered a wrong code', 'used an unknown finger')
    )
select local_at, lock, what, (at_ms - first_ms) / 1000 as within_seconds
from ask, wrong
where at_ms - first_ms <= minutes * 60000
order by at_ms;

-- 9. Was the door left unlocked overnight?
-- It was, if it was not known to be locked at three in the morning.
with ask(hour, since) as (values ('-3 hours', datetime('now', '-30 days')))
select lock, local_from, coalesce(local_until, 'still') as local_until, minutes, unlocked_by, locked_by
from ask, unlocked_intervals
where date(local_from, hour) < date(coalesce(local_until, datetime('now', 'localtime')), hour)
    and coalesce(local_until, since) >= since
order by from_ms;

-- 10. When did a door stand open for more than ten minutes?
with ask(minutes) as (values (10))
select lock, local_from, coalesce(local_until, 'still') as local_until,
    coalesce(d.minutes, round((unixepoch('now') * 1000 - from_ms) / 60000.0, 1)) as minutes
from ask, door_open_intervals d
where coalesce(until_ms, unixepoch('now') * 1000) - from_ms > ask.minutes * 60000
order by from_ms;

-- 11. Who came at night, between 23 and 5, in the last 30 days?
with ask(evening, morning, since) as (values ('23:00', '05:00', unixepoch('now', '-30 days') * 1000))
select local_at, lock, who, what, how
from ask, audit
where at_ms >= since and (substr(local_at, 12, 5) >= evening or substr(local_at, 12, 5) < morning)
    and refused = 0 and what in ('unlocked the door', 'pulled the latch', 'started lock ''n'' go',
        'pulled the latch with lock ''n'' go')
order by at_ms, id;

-- 12. Which clients of the API had a door opened, and how often?
-- An intent that ended as 'unknown' left the gateway, and whether the lock did it could not be found out.
select l.name as lock, i.requester as client, i.action, sum(i.state = 'done') as done, sum(i.state = 'unknown') as unknown,
    sum(i.state in ('not_done', 'expired')) as not_done, datetime(max(i.created_at) / 1000, 'unixepoch') || 'Z' as last_at
from intents i join printable_locks l on l.nuki_id = i.nuki_id
where i.action in ('unlock', 'unlatch', 'lock_n_go', 'lock_n_go_unlatch')
group by i.nuki_id, i.requester, i.action
order by lock, client, i.action;

-- 13. Who has access now, or had on another day?
-- Put a day into `ask`; limits of time are the lock's own and hold on top.
with ask(day) as (values (datetime('now')))
select lock, kind, number, name, valid_from, allowed_days, allowed_hours, allowed_until
from ask, users
where valid_from <= day || 'Z' and (valid_until is null or valid_until > day || 'Z') and enabled = 'yes'
    and coalesce(allowed_from <= day, 1) and coalesce(allowed_until > day, 1)
order by lock, kind, number;

-- 14. What happened while the gateway was away, in the last 30 days?
with ask(since) as (values (unixepoch('now', '-30 days') * 1000))
select local_at, lock, who, what, how, result
from ask, audit
where at_ms >= since and backfilled = 'yes'
order by at_ms, id;

-- 15. Where does the log have gaps?
select local_at, lock, who, what, detail
from audit
where kind in ('gap', 'reset', 'logging', 'door_sensor_logging', 'retention', 'erasure')
order by at_ms, id;

-- 16. Of which events is the person not known, and why?
select local_at, lock, what, how, replace(reason, '_', ' ') as why
from audit
where certainty = 'unknown'
order by at_ms, id;

-- 17. Which changes had to wait for the lock's log, and for how long?
with waits(id, seconds) as (
    select a.refers_to, (a.observed_at - q.observed_at) / 1000.0
    from events a join events q on q.id = a.refers_to
    where a.refers_to is not null
    union all
    select event_id, null from unanswered
)
select a.local_at, a.lock, a.who, a.what, coalesce(w.seconds, 'still waits') as seconds
from waits w join audit a on a.id = w.id
order by a.at_ms, a.id;

-- 18. When did the motor fail, auto lock included?
select local_at, lock, who, what, how, result
from audit
where result in ('motor blocked', 'low motor voltage', 'clutch failure', 'motor power failure', 'incomplete',
        'other error', 'unknown error', 'handle not lifted')
    or what = 'met a blocked motor'
order by at_ms, id;

-- 19. How far was a lock's clock off, day by day?
select l.name as lock, date(o.observed_at / 1000, 'unixepoch') as day, count(*) as looks,
    min(o.clock_skew) / 1000.0 as slowest, max(o.clock_skew) / 1000.0 as fastest,
    group_concat(distinct o.zone_offset) as zone_minutes
from observations o join printable_locks l on l.nuki_id = o.nuki_id
where o.clock_skew is not null
group by o.nuki_id, day
order by lock, day;

-- 20. How did the batteries do, week by week?
-- A week is called by its Monday.
select l.name as lock, date(o.observed_at / 1000, 'unixepoch', '-6 days', 'weekday 1') as week,
    max(o.battery_percent) as highest, min(o.battery_percent) as lowest, iif(max(o.battery_critical), 'yes', '') as critical
from observations o join printable_locks l on l.nuki_id = o.nuki_id
group by o.nuki_id, week
order by lock, week;

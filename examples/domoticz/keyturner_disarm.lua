-- Disarms the security panel when a resident opens the door, and nobody else does. A dzVents script for Domoticz 2020.2 or
-- newer; README.md beside it says where it goes. Whatever is missing, unknown or unexpected leaves the panel armed.

-- Change these. Numbers of people, because a name can be given twice or changed: `keyturner users` lists them.
local LOCK = 'Front door' -- the lock's device in Domoticz
local PANEL = 'Security Panel'
local KEYTURNER = 'http://127.0.0.1:8080'
local TOKEN = 'THE-TOKEN' -- one that may read the history and nothing else
local NUKI_ID = '169552957'
local CODES = { [1] = true } -- keypad codes of residents
local PEOPLE = { [2] = true } -- phones and fobs of residents, by their authorization's number
local SECONDS = 60 -- how old an opening may be

-- The newest thing that moved the bolt. `state_change` is one whose log entry has not been read yet.
local QUESTION = KEYTURNER .. '/v1/history?limit=1&refused=false&nukiId=' .. NUKI_ID
    .. '&kind=lock_action&kind=keypad_action&kind=state_change'
local UNLOCK, UNLATCH = 1, 3
-- One name for each try, two seconds apart: the lock's log may be read a moment after its state.
local TRIES = { 'keyturner 1', 'keyturner 2', 'keyturner 3' }

local function ask(domoticz, try)
    local request = domoticz.openURL({
        url = QUESTION,
        method = 'GET',
        headers = { ['Authorization'] = 'Bearer ' .. TOKEN },
        callback = TRIES[try],
    })
    if try > 1 then request.afterSec(2) end
end

-- Seconds since an RFC 3339 time in UTC. Both sides are taken as if they were local times without summer time, so that
-- the zone cancels out.
local function age(date)
    local year, month, day, hour, min, sec = string.match(date or '', '^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)')
    if not year then return math.huge end
    local now = os.date('!*t')
    now.isdst = false
    return os.time(now) - os.time({ year = year, month = month, day = day, hour = hour, min = min, sec = sec, isdst = false })
end

-- Whether this event is a resident's opening of the door, just now.
local function is_residents(event)
    local theirs
    -- A code counts by its own number alone: all codes share the keypad's authorization.
    if event.codeId then theirs = CODES[event.codeId] else theirs = PEOPLE[event.authId or 0] end
    return theirs == true
        and event.attribution == 'matched'
        and (event.kind == 'lock_action' or event.kind == 'keypad_action')
        and event.refused == false
        and event.backfilled == false
        and event.client == nil -- asked for by a program, which is nobody
        and (event.action == UNLOCK or event.action == UNLATCH) -- lock 'n' go: whoever asks for that leaves
        and math.abs(age(event.date)) < SECONDS
end

return {
    on = {
        devices = { LOCK },
        httpResponses = TRIES,
    },
    -- Each event counts once, so that an old one can never stand for what happens now.
    data = { used = { initial = 0 } },
    execute = function(domoticz, item)
        if item.isDevice then
            ask(domoticz, 1)
            return
        end
        local try = tonumber(string.match(item.trigger, '%d+'))
        if not item.ok or not item.isJSON then
            domoticz.log('Keyturner did not say who it was: HTTP ' .. tostring(item.statusCode), domoticz.LOG_ERROR)
            return
        end
        local event = item.json.events and item.json.events[1]
        local id = event and tonumber(event.id) or 0
        if id <= domoticz.data.used or event.attribution == 'pending' then
            if TRIES[try + 1] then
                ask(domoticz, try + 1)
            else
                domoticz.log('The lock has not said who it was', domoticz.LOG_INFO)
            end
            return
        end
        domoticz.data.used = id
        if not is_residents(event) then
            domoticz.log('Not a resident: event ' .. event.id, domoticz.LOG_INFO)
            return
        end
        if domoticz.security ~= domoticz.SECURITY_DISARMED then
            domoticz.devices(PANEL).disarm()
            domoticz.log('Disarmed for ' .. event.name, domoticz.LOG_INFO)
        end
    end,
}

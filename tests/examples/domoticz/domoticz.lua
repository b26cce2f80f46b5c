-- domoticz.lua SCRIPT: plays Domoticz to a dzVents script. Takes one command a line, answers each with one line of JSON:
--
--   arm            the panel is armed away
--   device         the lock's device changes
--   respond        the oldest request that the script has made is really sent, and its answer given to the script
--   clock SECONDS  Domoticz's clock goes ahead by so much
--
-- What of Domoticz the script asks for and is not here is an error, not nil.
local json = require('cjson')

local function strict(name, fields)
    return setmetatable(fields, { __index = function(_, key) error(name .. ' has no ' .. tostring(key) .. ' here') end })
end

local ahead, requests, said = 0, {}, {}
local clock = setmetatable({
    time = function(t) return t and os.time(t) or os.time() + ahead end,
    date = function(format, t) return os.date(format, t or os.time() + ahead) end,
}, { __index = os })

local panel
local domoticz = {
    LOG_INFO = 3, LOG_ERROR = 1,
    SECURITY_DISARMED = 'Disarmed', SECURITY_ARMEDAWAY = 'Armed Away',
    security = 'Disarmed',
    log = function(text) said[#said + 1] = text end,
    openURL = function(request)
        local queued = { url = request.url, headers = request.headers, callback = request.callback, after = 0 }
        assert(request.method == 'GET' and request.url and request.callback, 'a GET with a callback')
        requests[#requests + 1] = queued
        return strict('the request', { afterSec = function(seconds) queued.after = seconds end })
    end,
}
panel = strict('the panel', { disarm = function() domoticz.security = 'Disarmed' end })
domoticz.devices = function(name)
    assert(name == 'Security Panel', 'no device ' .. tostring(name))
    return panel
end

local script = assert(loadfile(arg[1], 't', setmetatable({ os = clock }, { __index = _G })))()
local data = {}
for name, variable in pairs(script.data) do data[name] = variable.initial end
domoticz.data = data
strict('domoticz', domoticz)

-- The header goes through a file, since arguments can be read by everybody on the machine.
local function send(request)
    local config = os.tmpname()
    local file = assert(io.open(config, 'w'))
    for name, value in pairs(request.headers) do file:write(string.format('header = "%s: %s"\n', name, value)) end
    file:write(string.format('url = "%s"\nsilent\nmax-time = 10\nwrite-out = "\\n%%{http_code} %%{content_type}"\n', request.url))
    file:close()
    local curl = assert(io.popen('curl --config ' .. config))
    local body, status, content = curl:read('a'):match('^(.*)\n(%d+) ?([^\n]*)$')
    curl:close()
    os.remove(config)
    status = tonumber(status)
    local is_json = content:find('application/json', 1, true) ~= nil
    return {
        isDevice = false, isHTTPResponse = true, trigger = request.callback, callback = request.callback, statusCode = status,
        ok = status >= 200 and status < 300, isJSON = is_json, json = is_json and json.decode(body) or nil, data = body,
    }
end

local function is_listed(list, name)
    for _, one in ipairs(list) do if one == name then return true end end
    error('the script does not listen for ' .. name)
end

local commands = {
    arm = function() domoticz.security = 'Armed Away' end,
    device = function() script.execute(domoticz, { isDevice = true, isHTTPResponse = false, name = 'Front door', trigger = 'Front door' }) end,
    respond = function()
        local request = table.remove(requests, 1)
        assert(request, 'the script has asked nothing')
        assert(is_listed(script.on.httpResponses, request.callback))
        script.execute(domoticz, send(request))
    end,
    clock = function(seconds) ahead = ahead + tonumber(seconds) end,
}

for line in io.lines() do
    local name, argument = line:match('^(%S+) ?(.*)$')
    said = {}
    commands[name](argument)
    local waiting = requests[1]
    print(json.encode({ security = domoticz.security, said = setmetatable(said, json.array_mt), waiting = #requests,
        after = waiting and waiting.after or 0, used = data.used }))
    io.flush()
end

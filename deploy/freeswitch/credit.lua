-- Reports to the charging server, sent as NOTIFY: the one method FreeSWITCH sends from a script.
--   lua credit.lua start <uuid of the caller's leg>   when the callee answers: also arms the cap
--   lua credit.lua end                                as api_hangup_hook of the caller's leg: stop, or release if nobody answered
-- The answer to a NOTIFY is not visible here: no slices, and a report that is lost is not repeated by this script.
-- Replace CREDIT_HOST:PORT. Not run in the project's tests; its syntax is checked.

local CREDIT = "CREDIT_HOST:PORT"
local PROFILE = "external"

local function report(kind, session, milliseconds, cause)
  if not session or session == "" then
    return -- refused by the charging server: nothing to report
  end
  local headers = {
    "X-OCS-Event: " .. kind,
    "X-OCS-Session: " .. session,
    "X-OCS-Duration-Ms: " .. tostring(milliseconds),
  }
  if cause and cause ~= "" then
    headers[#headers + 1] = "Reason: Q.850;cause=" .. cause
  end
  local event = freeswitch.Event("NOTIFY")
  event:addHeader("profile", PROFILE)
  event:addHeader("event-string", "ocs-credit")
  event:addHeader("to-uri", "sip:" .. CREDIT)
  event:addHeader("from-uri", "sip:" .. kind .. "-" .. session .. "@" .. CREDIT)
  event:addHeader("extra-headers", table.concat(headers, "\r\n"))
  event:fire()
end

if argv[1] == "start" then
  local caller = freeswitch.Session(argv[2])
  if caller then
    local api = freeswitch.API()
    local seconds = tonumber(caller:getVariable("ocs_max")) or 0
    api:executeString("sched_hangup +" .. seconds .. " " .. argv[2] .. " ALLOTTED_TIMEOUT")
    report("start", caller:getVariable("ocs_session"), 0)
  end
elseif argv[1] == "end" then
  -- "env" is the event of the ended channel, given to a hangup hook.
  local held = env:getHeader("variable_ocs_session")
  local milliseconds = tonumber(env:getHeader("variable_billmsec")) or 0
  local cause = env:getHeader("variable_hangup_cause_q850")
  report(milliseconds > 0 and "stop" or "release", held, milliseconds, cause)
end

#!lua flags=no-writes
-- audit: the books of a shard as they are at one moment.
-- uses:
--
-- KEYS  1 ids of the accounts  2 due  3 house  4 outbox  5 transit  6 carried
-- ARGV  key prefixes: 1 account  2 live  3 session
-- Output  {flat list: account id, packed account; flat list: session id, packed session of all open sessions;
--         house as field, value; members of due; id of the outbox's last entry ever, or "0-0";
--         transfers in transit, packed; what was carried as field, value}
-- Errors  none of its own

local accounts, sessions = {}, {}
local seen = {} -- a session lives with each account it is charged to
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
for i = 1, #ids do
    accounts[#accounts + 1] = ids[i]
    accounts[#accounts + 1] = redis.call('GET', ARGV[1] .. ids[i])
    local live = redis.call('SMEMBERS', ARGV[2] .. ids[i])
    for j = 1, #live do
        if not seen[live[j]] then
            seen[live[j]] = true
            sessions[#sessions + 1] = live[j]
            sessions[#sessions + 1] = redis.call('GET', ARGV[3] .. live[j])
        end
    end
end

local last = '0-0'
if redis.call('EXISTS', KEYS[4]) == 1 then
    local about = redis.call('XINFO', 'STREAM', KEYS[4])
    for i = 1, #about, 2 do
        if about[i] == 'last-generated-id' then last = about[i + 1] end
    end
end
return { accounts, sessions, redis.call('HGETALL', KEYS[3]), redis.call('ZRANGE', KEYS[2], 0, -1), last,
    redis.call('HVALS', KEYS[5]), redis.call('HGETALL', KEYS[6]) }

#!lua flags=no-writes
-- sessions: the open sessions of a shard, those looked at soonest first, or of one account.
-- uses:
--
-- KEYS  1 due, or the account's open sessions
-- ARGV  1 "due" or "live"  2 how many  3 key prefix: session
-- Output  flat list: session id, packed session
-- Errors  none of its own

local found, limit = {}, tonumber(ARGV[2]) * 2
local ids = ARGV[1] == 'live' and redis.call('SMEMBERS', KEYS[1]) or redis.call('ZRANGE', KEYS[1], 0, -1)
for i = 1, #ids do
    if #found >= limit then break end
    local id = ids[i]
    if ARGV[1] == 'due' then id = string.sub(id, 1, 2) == 's:' and string.sub(id, 3) end
    local packed = id and redis.call('GET', ARGV[3] .. id)
    if packed then
        found[#found + 1] = id
        found[#found + 1] = packed
    end
end
return found

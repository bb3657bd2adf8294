#!lua flags=no-writes
-- entries: an account's ledger entries after a given one, as long as the outbox keeps them.
-- uses:
--
-- KEYS  1 the account's entry ids  2 outbox
-- ARGV  1 id after which to begin, or ""  2 how many
-- Output  flat list: id, packed entry
-- Errors  none of its own

local ids = redis.call('LRANGE', KEYS[1], 0, -1)
local from = 1
for i = 1, #ids do
    if ids[i] == ARGV[1] then from = i + 1 end
end
local found, limit = {}, tonumber(ARGV[2]) * 2
for i = from, #ids do
    if #found >= limit then break end
    local entry = redis.call('XRANGE', KEYS[2], ids[i], ids[i])[1]
    if entry then
        found[#found + 1] = entry[1]
        found[#found + 1] = entry[2][2]
    end
end
return found

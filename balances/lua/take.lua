#!lua
-- take: hands a shard's entries that are not journalled yet to the node that keeps its journal.
-- Whoever asks first keeps it, and whoever asks when the keeper has been silent for the lease relieves it. What the relieved
-- node wrote beyond the noted position is the new one's to write: the old one must cut it off before it is handed anything.
-- uses: numbers
--
-- KEYS  1 outbox  2 journal: hash of keeper, lease (ms), position, relieved:<node>
-- ARGV  1 node  2 how long it keeps it (ms)  3 how many entries
-- Output  {"yours", noted position, entries as XRANGE has them}, {"kept", by whom} or {"relieved", at which position}
-- Errors  none of its own

local node, lease, time = ARGV[1], tonumber(ARGV[2]), redis.call('TIME')
local now = time[1] * 1000 + div(tonumber(time[2]), 1000)
local known = redis.call('HMGET', KEYS[2], 'keeper', 'lease', 'position', 'relieved:' .. node)
local keeper, ends, position, relieved = known[1], tonumber(known[2] or 0), known[3] or '0-0', known[4]
if relieved then return { 'relieved', relieved } end
if keeper and keeper ~= node and ends > now then return { 'kept', keeper } end
if keeper and keeper ~= node then redis.call('HSET', KEYS[2], 'relieved:' .. keeper, position) end
if keeper ~= node or ends - now < lease / 2 then
    redis.call('HSET', KEYS[2], 'keeper', node, 'lease', digits(now + lease))
end
return { 'yours', position, redis.call('XRANGE', KEYS[1], '(' .. position, '+', 'COUNT', ARGV[3]) }

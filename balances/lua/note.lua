#!lua
-- note: notes how far a shard is journalled, if it is still the node's to say and nothing came between.
-- uses:
--
-- KEYS  1 journal: hash of keeper, lease (ms), position, relieved:<node>
-- ARGV  1 node  2 the position it began at  3 the position now
-- Output  {"done"} or {"lost"}: somebody else keeps the journal, or the store went back to an earlier state
-- Errors  none of its own

local known = redis.call('HMGET', KEYS[1], 'keeper', 'position')
if known[1] ~= ARGV[1] or (known[2] or '0-0') ~= ARGV[2] then return { 'lost' } end
redis.call('HSET', KEYS[1], 'position', ARGV[3])
return { 'done' }

#!lua
-- claim: gives a watch that is due to one process, which shall look at it within the lease.
-- uses:
--
-- KEYS  1 watches  2 due  3 lease of the watch
-- ARGV  1 its id  2 now (ms)  3 end of the lease (ms)  4 the lease (ms)
-- Output  the watch, packed; nil if it is not due (any more) or in somebody's hands
-- Errors  none of its own

local packed, due = redis.call('HGET', KEYS[1], ARGV[1]), redis.call('ZSCORE', KEYS[2], ARGV[1])
if not packed or not due or tonumber(due) > tonumber(ARGV[2]) or redis.call('EXISTS', KEYS[3]) == 1 then return nil end
redis.call('SET', KEYS[3], '1', 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) -- due again if the process ends before it settles
return packed

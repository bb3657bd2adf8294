#!lua
-- settle: ends a claim. A watch that was put anew meanwhile keeps its new context; one that was marked stays due.
-- uses:
--
-- KEYS  1 watches  2 due  3 lease of the watch
-- ARGV  1 its id  2 end of the lease (ms)  3 the watch as claimed  4 the watch as it shall be  5 when to look again; 0 never
-- Output  {"done"}
-- Errors  none of its own

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[3] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[4]) end
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if due and tonumber(due) == tonumber(ARGV[2]) then
    if ARGV[5] == '0' then
        redis.call('ZREM', KEYS[2], ARGV[1])
    else
        redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
    end
end
redis.call('DEL', KEYS[3])
return { 'done' }

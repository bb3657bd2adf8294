#!lua
-- watch: puts a watch on an account, or changes its context, and makes it due.
-- uses:
--
-- KEYS  1 watches  2 watches of the account  3 due
-- ARGV  1 its id  2 the watch, packed  3 now (ms)  4 when to look (ms)  5 the most watches of one account
-- Output  {"done"}
-- Errors  none of its own

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
local excess = redis.call('ZCARD', KEYS[2]) - ARGV[5]
if excess > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, excess - 1)) do
        redis.call('HDEL', KEYS[1], id)
        redis.call('ZREM', KEYS[2], id)
        redis.call('ZREM', KEYS[3], id)
    end
end
return { 'done' }

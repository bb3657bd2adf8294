#!lua
-- orphan: keeps the report of a call that nobody knows, once however often it comes; of too many the oldest go.
-- uses:
--
-- KEYS  1 ids of reports by their time  2 the reports by id
-- ARGV  1 id  2 its time (ms)  3 the report  4 how many are kept
-- Output  1 if it is new, else 0
-- Errors  none of its own

if redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local many = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if many > 0 then
    local gone = redis.call('ZPOPMIN', KEYS[1], many)
    for i = 1, #gone, 2 do redis.call('HDEL', KEYS[2], gone[i]) end
end
return 1

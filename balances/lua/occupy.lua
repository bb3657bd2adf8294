#!lua
-- occupy: gives a call a channel of its trunk group, if one is free and not too many calls began within a second.
-- A channel is a lease: one whose call nobody speaks of any more is free when it ends, whoever died meanwhile.
-- uses:
--
-- KEYS  1 the group's calls by the end of their lease  2 the calls begun lately by their time
-- ARGV  1 the call  2 now (ms)  3 end of the lease (ms)  4 channels; 0 any number  5 calls a second; 0 any number
-- Output  "free": it has one, now or already; "channels" or "rate": which limit is reached, nothing is taken
-- Errors  none of its own

local call, now, channels, rate = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if redis.call('ZSCORE', KEYS[1], call) then return 'free' end
if channels > 0 and redis.call('ZCARD', KEYS[1]) >= channels then return 'channels' end
if rate > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - 1000))
    if redis.call('ZCARD', KEYS[2]) >= rate then return 'rate' end
    redis.call('ZADD', KEYS[2], ARGV[2], call)
    redis.call('PEXPIRE', KEYS[2], 1000)
end
redis.call('ZADD', KEYS[1], ARGV[3], call)
return 'free'

#!lua
-- try: counts a try before it is made; of one that was right it is taken back.
-- uses:
--
-- KEYS  1 tries of the account
-- ARGV  1 "make" or "back"  2 tries until the account is locked  3 for how long (ms)
-- Output  0, or for how long (ms) the account is locked
-- Errors  none of its own

local made, most = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[2])
if ARGV[1] == 'back' then
    if made > 0 then redis.call('DECR', KEYS[1]) end
    return 0
end
if made >= most then return redis.call('PTTL', KEYS[1]) end
redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0

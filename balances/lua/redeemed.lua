#!lua
-- redeemed: what a claimed voucher is worth has been handed over.
-- uses:
--
-- KEYS  1 voucher  2 claims not settled yet
-- ARGV  1 the voucher's name
-- Output  {"done"}: it may have been so before
-- Errors  none of its own

local DONE = 7
local packed = redis.call('GET', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if packed then
    local v = cmsgpack.unpack(packed)
    v[DONE] = 1
    redis.call('SET', KEYS[1], cmsgpack.pack(v))
end
return { 'done' }

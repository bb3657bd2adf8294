#!lua
-- redeem: gives a voucher to an account, if it is nobody's and its batch is active; who has it may ask again.
-- uses:
--
-- KEYS  1 voucher  2 its batch's copy in the shard  3 claims not settled yet
-- ARGV  1 packed: the voucher's name, shard, account, key of the request, now (ms)
-- Output  {"claimed" or "mine", voucher, packed}: of "mine" the account had it before
-- Errors  {"unknown"} {"used"} {"created"} {"blocked"} {"expired"}

local BATCH, SERIAL, SHARD, ACCOUNT, KEY, AT, DONE = 1, 2, 3, 4, 5, 6, 7
local r = cmsgpack.unpack(ARGV[1])
local packed = redis.call('GET', KEYS[1])
if not packed then return { 'unknown' } end
local v = cmsgpack.unpack(packed)
if v[ACCOUNT] ~= '' then
    local mine = v[ACCOUNT] == r[3] and (v[DONE] == 0 or v[KEY] == r[4])
    return mine and { 'mine', packed } or { 'used' }
end
local batch = redis.call('HMGET', KEYS[2], 'state', 'expires_at')
if batch[1] ~= 'active' then return { batch[1] or 'unknown' } end
if tonumber(batch[2]) >= 0 and tonumber(batch[2]) <= r[5] then return { 'expired' } end
packed = cmsgpack.pack({ v[BATCH], v[SERIAL], r[2], r[3], r[4], r[5], 0 })
redis.call('SET', KEYS[1], packed)
redis.call('ZADD', KEYS[3], string.format('%.0f', r[5]), r[1])
redis.call('HINCRBY', KEYS[2], 'redeemed', 1)
return { 'claimed', packed }

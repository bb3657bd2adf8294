#!lua
-- lift: a meter's limits do not hold until its period ends, once.
-- uses: numbers account outbox operation meters
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation
-- ARGV  1 packed: account, operation, fingerprint, meter, unit or "", end of the period, cause, reference, now, window (ms)
-- Output  {"done" or "repeated", entry id, packed account, ""}
-- Errors  {"no-account"} {"conflict"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if not enter_meters(a, { r[4], r[5], r[6], -1, -1, -1, 0 }, r[9]) then return { 'out-of-range' } end
local m = meters_of(a)
m[find_meter(m, r[4]) + M_LIFTED] = true
seal_meters(a)
local packed = cmsgpack.pack(a)
local id = write_entry({ r[9], r[1], r[2], r[7], '', '', r[8] }, KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
return remember(KEYS[5], r[3], id, packed, '', r[10])

#!lua
-- unsubscribe: ends a subscription, once; what is paid for may be used up to the end of its period.
-- uses: numbers account outbox operation states subscription
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 its subscriptions  7 renewals  8 due
-- ARGV  1 packed: account, operation, fingerprint, offer, cause, now, window (ms)  2 its name among the renewals
-- Output  {"done" or "repeated", entry id, packed account, ""}
-- Errors  {"no-account"} {"conflict"} {"not-subscribed"}

local r = cmsgpack.unpack(ARGV[1])
local account, offer = r[1], r[4]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
local s = read_subscription(KEYS[6], offer)
if not s then return { 'not-subscribed' } end
end_buckets(a, s, s[U_ENDS])

local packed = cmsgpack.pack(a)
local id = write_entry({ r[6], account, r[2], r[5], '', '', offer }, KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
write_subscription(KEYS[6], offer, nil, KEYS[7], ARGV[2])
look_in_time(a, KEYS[8], account)
return remember(KEYS[5], r[3], id, packed, '', r[7])

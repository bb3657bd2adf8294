#!lua
-- subscribe: debits the first period of an offer that renews and gives its bucket, once.
-- uses: numbers account outbox operation states subscription
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 its subscriptions  7 renewals  8 due
-- ARGV  1 packed: account, operation, fingerprint, offer, period, cause, now, window (ms)  2 its name among the renewals
-- Output  {"done" or "repeated", entry id, packed account, bucket id, what was debited}
-- Errors  {"no-account"} {"conflict"} {"subscribed"} {"out-of-range"} {"insufficient-funds"}

local r = cmsgpack.unpack(ARGV[1])
local account, offer, p = r[1], r[4], r[5]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if read_subscription(KEYS[6], offer) then return { 'subscribed' } end
if not countable(p) then return { 'out-of-range' } end
if available(a) < p[P_FEE] then return { 'insufficient-funds' } end
local old = copy(a)
local s = begin(a, offer, p, '')
if not pcall(check_range, a) then return { 'out-of-range' } end

local packed = cmsgpack.pack(a)
local id = book(a, old, { r[7], account, r[2], r[6], '', '', offer }, KEYS[4], KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
write_subscription(KEYS[6], offer, s, KEYS[7], ARGV[2])
look_in_time(a, KEYS[8], account)
return remember(KEYS[5], r[3], id, packed, s[U_BUCKET], r[8], p[P_FEE])

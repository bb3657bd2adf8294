#!lua
-- give: an offer's bucket, once; it takes its place in the order in which buckets pay.
-- uses: numbers account outbox operation
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 due
-- ARGV  1 packed: account, operation, fingerprint, offer, unit, amount, priority, expiry or -1, now, window (ms),
--         start, how long from its first use on or -1
-- Output  {"done" or "repeated", entry id, packed account, bucket id}
-- Errors  {"no-account"} {"conflict"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount, expires, lasts = r[6], r[8], r[12]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or amount >= LIMIT or lasts < -1 or lasts * 2 >= LIMIT then return { 'out-of-range' } end
local old = copy(a)
a[GIVEN] = a[GIVEN] + 1
local bucket = r[4] .. '#' .. digits(a[GIVEN])
place(a, { bucket, r[4], r[5], amount, r[7], expires, amount, 0, 0, r[11], lasts })

local packed = cmsgpack.pack(a)
local id = book(a, old, { r[9], r[1], r[2], 'gift', '', '', r[4] }, KEYS[4], KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
if expires >= 0 then redis.call('ZADD', KEYS[6], 'LT', digits(expires), 'a:' .. r[1]) end
return remember(KEYS[5], r[3], id, packed, bucket, r[10])

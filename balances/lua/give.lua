#!lua
-- give: an offer's bucket, once; it takes its place in the order in which buckets pay.
-- uses: numbers account outbox operation
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 due
-- ARGV  1 packed: account, operation, fingerprint, offer, unit, amount, priority, expiry or -1, now, window (ms)
-- Output  {"done" or "repeated", entry id, packed account, bucket id}
-- Errors  {"no-account"} {"conflict"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount, priority, expires = r[6], r[7], r[8]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or amount >= LIMIT then return { 'out-of-range' } end
local old = copy(a)
a[GIVEN] = a[GIVEN] + 1
local bucket = r[4] .. '#' .. digits(a[GIVEN])

-- Priority, then earlier expiry, then the one given first.
local place, last = #a + 1, expires < 0 and LIMIT or expires
for b = FIRST, #a, STRIDE do
    local other = a[b + EXPIRES] < 0 and LIMIT or a[b + EXPIRES]
    if a[b + PRIORITY] > priority or (a[b + PRIORITY] == priority and other > last) then
        place = b
        break
    end
end
for i = #a, place, -1 do a[i + STRIDE] = a[i] end
local fields = { bucket, r[4], r[5], amount, priority, expires, amount, 0, 0 }
for i = 1, STRIDE do a[place + i - 1] = fields[i] end

local packed = cmsgpack.pack(a)
local id = book(a, old, { r[9], r[1], r[2], 'gift', '', '', r[4] }, KEYS[4], KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
if expires >= 0 then redis.call('ZADD', KEYS[6], 'LT', digits(expires), 'a:' .. r[1]) end
return remember(KEYS[5], r[3], id, packed, bucket, r[10])

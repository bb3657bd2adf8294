#!lua
-- move: money into (amount above 0) or out of an account, once.
-- uses: numbers account outbox operation
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation
-- ARGV  1 packed: account, operation, fingerprint, amount, cause, reference, now, window (ms)
-- Output  {"done" or "repeated", entry id, packed account, ""}
-- Errors  {"no-account"} {"conflict"} {"insufficient-funds"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount = r[4]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount == 0 or amount >= LIMIT or amount <= -LIMIT then return { 'out-of-range' } end
local old = copy(a)
if amount < 0 then
    if available(a) + amount < 0 then return { 'insufficient-funds' } end
    a[DEBITED] = a[DEBITED] - amount
else
    a[CREDITED] = a[CREDITED] + amount
end
if not pcall(check_range, a) then return { 'out-of-range' } end

local packed = cmsgpack.pack(a)
local id = book(a, old, { r[7], r[1], r[2], r[5], '', '', r[6] }, KEYS[4], KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
return remember(KEYS[5], r[3], id, packed, '', r[8])

#!lua
-- lend: money lent to an account, once, if it has no other loan and less than so much is available.
-- uses: numbers account outbox operation loan
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 loan
-- ARGV  1 packed: account, operation, fingerprint, amount, fee, below or -1, cause, reference, now, window (ms)
-- Output  {"done" or "repeated", entry id, packed account, ""}
-- Errors  {"no-account"} {"conflict"} {"loan-outstanding"} {"not-needed"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount, fee, below = r[4], r[5], r[6]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or fee < 0 or amount >= LIMIT or amount + fee >= LIMIT then return { 'out-of-range' } end
if read_loan(KEYS[6]) then return { 'loan-outstanding' } end
if below >= 0 and available(a) >= below then return { 'not-needed' } end
local old = copy(a)
a[CREDITED] = a[CREDITED] + amount
if not pcall(check_range, a) then return { 'out-of-range' } end

local packed = cmsgpack.pack(a)
local id = book(a, old, { r[9], r[1], r[2], r[7], '', '', r[8] }, KEYS[4], KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], packed)
redis.call('SET', KEYS[6], cmsgpack.pack({ amount, fee, amount + fee, r[9] }))
return remember(KEYS[5], r[3], id, packed, '', r[10])

#!lua
-- credit: money put into an account, once; a loan is repaid from it first, in an entry of its own.
-- uses: numbers account outbox operation loan
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 loan
-- ARGV  1 packed: account, operation, fingerprint, amount, cause, reference, now, window (ms), cause of a repayment
-- Output  {"done" or "repeated", entry id, packed account, "", what was repaid}
-- Errors  {"no-account"} {"conflict"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount = r[4]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or amount >= LIMIT then return { 'out-of-range' } end
local loan, old = read_loan(KEYS[6]), copy(a)
local repaid = loan and min(amount, loan[OUTSTANDING]) or 0
a[CREDITED] = a[CREDITED] + amount
local between = copy(a)
a[DEBITED] = a[DEBITED] + repaid
if not pcall(check_range, a) then return { 'out-of-range' } end

local packed = cmsgpack.pack(a)
local id = book(between, old, { r[7], r[1], r[2], r[5], '', '', r[6] }, KEYS[4], KEYS[3], KEYS[2])
if repaid > 0 then
    book(a, between, { r[7], r[1], r[2], r[9], '', '', r[6] }, KEYS[4], KEYS[3], KEYS[2])
    repay(KEYS[6], loan, repaid)
end
redis.call('SET', KEYS[1], packed)
return remember(KEYS[5], r[3], id, packed, '', r[8], repaid)

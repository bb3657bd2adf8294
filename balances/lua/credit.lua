#!lua
-- credit: money put into an account, once; a loan is repaid from it first, in an entry of its own. It may extend the
-- account's validity, by terms that must not have changed.
-- uses: numbers account outbox operation loan states
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 loan  7 due
-- ARGV  1 packed: account, operation, fingerprint, amount, cause, reference, now, window (ms), cause of a repayment; where
--         it extends: version, end of validity or -1, end of grace or -1, what the entry says of them
-- Output  {"done" or "repeated", entry id, packed account, "", what was repaid}
-- Errors  {"no-account"} {"conflict"} {"stale"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount = r[4]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or amount >= LIMIT then return { 'out-of-range' } end
if r[10] and a[VERSION] ~= r[10] then return { 'stale' } end
local loan, old = read_loan(KEYS[6]), copy(a)
local repaid = loan and min(amount, loan[OUTSTANDING]) or 0
a[CREDITED] = a[CREDITED] + amount
local between = copy(a)
a[DEBITED] = a[DEBITED] + repaid
if not pcall(check_range, a) then return { 'out-of-range' } end

local extension = r[10] and extend(a, r[11], r[12])
local packed = cmsgpack.pack(a)
local id = book(between, old, { r[7], r[1], r[2], r[5], '', '', r[6] }, KEYS[4], KEYS[3], KEYS[2])
if repaid > 0 then
    book(a, between, { r[7], r[1], r[2], r[9], '', '', r[6] }, KEYS[4], KEYS[3], KEYS[2])
    repay(KEYS[6], loan, repaid)
end
if extension then
    write_entry({ r[7], r[1], r[2], extension, '', '', r[13] }, KEYS[3], KEYS[2])
    watch_state(a, r[1], KEYS[7])
end
redis.call('SET', KEYS[1], packed)
return remember(KEYS[5], r[3], id, packed, '', r[8], repaid)

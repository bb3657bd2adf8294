#!lua
-- send: debits a transfer and its fee, once, and has it in transit until it has been credited to the other account.
-- uses: numbers account outbox operation loan
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 operation  6 loan  7 transit  8 carried  9 sent that day
-- ARGV  1 packed: account, operation, fingerprint, amount, fee, day, most of a day or -1, cause, cause of the fee,
--         reference, now, window (ms)  2 name of the transfer  3 the transfer, packed
-- Output  {"done" or "repeated", entry id, packed account, "", fee}
-- Errors  {"no-account"} {"conflict"} {"loan-outstanding"} {"too-many"} {"insufficient-funds"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local amount, fee, day, most = r[4], r[5], r[6], r[7]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local known = repeated(KEYS[5], r[3])
if known then return known end
if amount <= 0 or fee < 0 or amount >= LIMIT or amount + fee >= LIMIT then return { 'out-of-range' } end
if read_loan(KEYS[6]) then return { 'loan-outstanding' } end
local counted = redis.call('GET', KEYS[9])
local last = counted and cmsgpack.unpack(counted)
local sent = last and last[1] == day and last[2] or 0
if most >= 0 and sent >= most then return { 'too-many' } end
if a[CREDITED] - a[DEBITED] - a[RESERVED] < amount + fee then return { 'insufficient-funds' } end
local old = copy(a)
a[DEBITED] = a[DEBITED] + amount
local between = copy(a)
a[DEBITED] = a[DEBITED] + fee
if not pcall(check_range, a) then return { 'out-of-range' } end

local packed = cmsgpack.pack(a)
local id = book(between, old, { r[11], r[1], r[2], r[8], '', '', r[10] }, KEYS[4], KEYS[3], KEYS[2])
if fee > 0 then book(a, between, { r[11], r[1], r[2], r[9], '', '', r[10] }, KEYS[4], KEYS[3], KEYS[2]) end
redis.call('SET', KEYS[1], packed)
redis.call('HSET', KEYS[7], ARGV[2], ARGV[3])
redis.call('HINCRBY', KEYS[8], a[CURRENCY] .. ':sent', digits(amount))
redis.call('SET', KEYS[9], cmsgpack.pack({ day, sent + 1 }), 'PX', '172800000') -- two days: one is over by then
return remember(KEYS[5], r[3], id, packed, '', r[12], fee)

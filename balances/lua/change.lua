#!lua
-- change: new terms of an account; its version grows, so that quotes made under the old ones are refused.
-- uses: numbers account outbox states
--
-- KEYS  1 account  2 its entries  3 outbox  4 due
-- ARGV  1 packed: plan or false, status or false, credit limit or false, packed identities or false, cap (-1: none) or false,
--         end of validity (-1: none) or false, end of grace, what the entry says of them, account, now
-- Output  {"done", packed account, identities before}
-- Errors  {"no-account"} {"insufficient-funds"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local limit = r[3] or a[CREDIT_LIMIT]
if limit < a[CREDIT_LIMIT] and a[CREDITED] - a[DEBITED] - a[RESERVED] + limit < 0 then
    return { 'insufficient-funds' }
end
local before, old = a[IDENTITIES], copy(a)
a[VERSION] = a[VERSION] + 1
a[PLAN] = r[1] or a[PLAN]
a[STATUS] = r[2] or a[STATUS]
a[CREDIT_LIMIT] = limit
a[IDENTITIES] = r[4] or a[IDENTITIES]
a[CAP] = r[5] or a[CAP]
local status, validity = old[STATUS] ~= a[STATUS], r[6] and (r[6] ~= a[UNTIL] or r[7] ~= a[GRACE_UNTIL])
if r[6] then a[UNTIL], a[GRACE_UNTIL] = r[6], r[7] end
if validity and not r[2] then revive(a, r[10]) end
if limit < 0 or not pcall(check_range, a) then return { 'out-of-range' } end
local packed = cmsgpack.pack(a)
redis.call('SET', KEYS[1], packed)
if status then write_entry({ r[10], r[9], '', 'status', '', '', a[STATUS] }, KEYS[3], KEYS[2]) end
if validity then write_entry({ r[10], r[9], '', 'extension', '', '', r[8] }, KEYS[3], KEYS[2]) end
watch_state(a, r[9], KEYS[4])
return { 'done', packed, before }

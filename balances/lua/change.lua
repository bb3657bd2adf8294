#!lua
-- change: new terms of an account; its version grows, so that quotes made under the old ones are refused.
-- uses: numbers account
--
-- KEYS  1 account
-- ARGV  1 packed: plan or false, status or false, credit limit or false, packed identities or false, cap (-1: none) or false
-- Output  {"done", packed account, identities before}
-- Errors  {"no-account"} {"insufficient-funds"} {"out-of-range"}

local r = cmsgpack.unpack(ARGV[1])
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local limit = r[3] or a[CREDIT_LIMIT]
if limit < a[CREDIT_LIMIT] and a[CREDITED] - a[DEBITED] - a[RESERVED] + limit < 0 then
    return { 'insufficient-funds' }
end
local before = a[IDENTITIES]
a[VERSION] = a[VERSION] + 1
a[PLAN] = r[1] or a[PLAN]
a[STATUS] = r[2] or a[STATUS]
a[CREDIT_LIMIT] = limit
a[IDENTITIES] = r[4] or a[IDENTITIES]
a[CAP] = r[5] or a[CAP]
if limit < 0 or not pcall(check_range, a) then return { 'out-of-range' } end
local packed = cmsgpack.pack(a)
redis.call('SET', KEYS[1], packed)
return { 'done', packed, before }

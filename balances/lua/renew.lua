#!lua
-- renew: the next period of a subscription that is due: debited, what was left carried over or gone, the new bucket given.
-- Whoever comes second finds another due time, and does nothing.
-- uses: numbers account retired outbox states subscription
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 its subscriptions  6 renewals  7 due
-- ARGV  1 packed: account, operation, offer, due time, period or false, when to try again for money or -1, for other
--         reasons, now; causes: renewed, rolled over, failed, ended  2 its name among the renewals
-- Output  {"renewed"} {"unpaid"} {"paused"} {"ended"} {"past"}
-- Errors  {"no-account"}

local r = cmsgpack.unpack(ARGV[1])
local account, operation, offer, due, p, retry, paused, now = unpack(r, 1, 8)
local ROLLED_OVER, FAILED, ENDED = r[10], r[11], r[12]
local a = read_account(KEYS[1])
if not a then return { 'no-account' } end
local s = read_subscription(KEYS[5], offer)
if not s or s[U_DUE] ~= due then return { 'past' } end

local function write(cause, why, to, from)
    local entry = { now, account, operation, cause, '', '', why and offer .. ' ' .. why or offer }
    if to then return book(to, from, entry, KEYS[4], KEYS[3], KEYS[2]) end
    return write_entry(entry, KEYS[3], KEYS[2])
end

local function finish(result, new)
    redis.call('SET', KEYS[1], cmsgpack.pack(a))
    write_subscription(KEYS[5], offer, new, KEYS[6], ARGV[2])
    look_in_time(a, KEYS[7], account)
    return { result }
end

local function obstacle()
    if a[STATUS] ~= 'active' then return a[STATUS] end
    if not p then return 'withdrawn' end
    if not countable(p) or a[DEBITED] + p[P_FEE] >= LIMIT then return 'out-of-range' end
    return available(a) < p[P_FEE] and 'insufficient-funds'
end

local why = obstacle()
if why then
    local short = why == 'insufficient-funds'
    end_buckets(a, s, now)
    if why == 'closed' or short and retry < 0 then
        write(ENDED, why)
        return finish('ended')
    end
    if s[U_STATE] ~= 'waiting' then write(FAILED, why) end
    s[U_STATE], s[U_DUE] = 'waiting', short and retry or paused
    return finish(short and 'unpaid' or 'paused', s)
end

local old, carried = copy(a), ''
local last = find_bucket(a, s[U_BUCKET])
if last and a[last + UNIT] == p[P_UNIT] and a[last + EXPIRES] > now and a[last + STARTS] <= now then
    local amount = min(p[P_CARRY], remaining(a, last))
    if amount > 0 then
        a[last + B_DEBITED] = a[last + B_DEBITED] + amount
        carried = give_bucket(a, offer, p, amount)
    end
end
local between = copy(a)
for n = U_BUCKET, U_CARRIED do
    local b = find_bucket(a, s[n])
    if b then a[b + B_DEBITED] = a[b + B_DEBITED] + remaining(a, b) end
end
local new = begin(a, offer, p, carried)

if carried ~= '' then write(ROLLED_OVER, nil, between, old) end
write(r[9], nil, a, between)
end_buckets(a, s, now)
local gone = {}
for b = FIRST, #a, STRIDE do
    if (a[b] == s[U_BUCKET] or a[b] == s[U_CARRIED]) and a[b + B_RESERVED] == 0 then gone[#gone + 1] = b end
end
if #gone > 0 then retire(a, gone) end
return finish('renewed', new)

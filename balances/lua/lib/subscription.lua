-- Subscriptions, flat arrays in a hash by offer; a period as it is sent, flat too. ``renewals.py`` says what they mean.

local U_STATE, U_SINCE, U_STARTS, U_ENDS, U_DUE, U_BUCKET, U_CARRIED = 1, 2, 3, 4, 5, 6, 7
local P_SINCE, P_STARTS, P_ENDS, P_FEE, P_UNIT, P_AMOUNT, P_PRIORITY, P_CARRY = 1, 2, 3, 4, 5, 6, 7, 8
local OVERLAP = 86400000 -- milliseconds for which a bucket outlives its period unless it is renewed

local function read_subscription(key, offer)
    local packed = redis.call('HGET', key, offer)
    return packed and cmsgpack.unpack(packed)
end

local function countable(p)
    return p[P_AMOUNT] > 0 and p[P_AMOUNT] < LIMIT and p[P_FEE] >= 0 and p[P_FEE] < LIMIT
        and p[P_CARRY] >= 0 and p[P_CARRY] < LIMIT
        and p[P_STARTS] >= 0 and p[P_STARTS] < p[P_ENDS] and p[P_ENDS] * 2 < LIMIT
end

local function give_bucket(a, offer, p, amount)
    a[GIVEN] = a[GIVEN] + 1
    local id = offer .. '#' .. digits(a[GIVEN])
    place(a, { id, offer, p[P_UNIT], amount, p[P_PRIORITY], p[P_ENDS] + OVERLAP, amount, 0, 0, p[P_STARTS], -1 })
    return id
end

-- Debits a period and gives its bucket; returns the subscription as it is then.
local function begin(a, offer, p, carried)
    a[DEBITED] = a[DEBITED] + p[P_FEE]
    local bucket = give_bucket(a, offer, p, p[P_AMOUNT])
    return { 'active', p[P_SINCE], p[P_STARTS], p[P_ENDS], p[P_ENDS], bucket, carried }
end

-- Has a subscription's buckets end at a time, if they do not before.
local function end_buckets(a, s, at)
    for n = U_BUCKET, U_CARRIED do
        local b, fields = find_bucket(a, s[n]), {}
        if b and (a[b + EXPIRES] < 0 or a[b + EXPIRES] > at) then
            for j = 1, STRIDE do fields[j] = table.remove(a, b) end
            fields[EXPIRES + 1] = at
            place(a, fields)
        end
    end
end

-- Has the reaper look when the first of the account's buckets or its state ends, and not before.
local function look_in_time(a, due, account)
    local state, first = state_due(a), nil
    if state >= 0 then first = state end
    for b = FIRST, #a, STRIDE do
        local ends = a[b + EXPIRES]
        if ends >= 0 then first = first and min(first, ends) or ends end
    end
    if first then redis.call('ZADD', due, digits(first), 'a:' .. account) end
end

-- Puts the subscription down and has it renewed in time; nil: there is none any more.
local function write_subscription(key, offer, s, renewals, member)
    if s then
        redis.call('HSET', key, offer, cmsgpack.pack(s))
        redis.call('ZADD', renewals, digits(s[U_DUE]), member)
    else
        redis.call('HDEL', key, offer)
        redis.call('ZREM', renewals, member)
    end
end

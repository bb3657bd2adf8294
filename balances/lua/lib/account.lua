-- The account, a flat array: the header, then nine fields for each bucket, in the order in which buckets pay.

local VERSION, STATUS, PLAN, CURRENCY, CREDIT_LIMIT = 1, 2, 3, 4, 5
local CREDITED, DEBITED, RESERVED, OVERRUN = 6, 7, 8, 9
local OPENED_AT, PARENT, IDENTITIES, GIVEN, RETIRED = 10, 11, 12, 13, 14
local FIRST, STRIDE = 15, 9
-- Offsets in a bucket; its id is at 0, expiry -1 is never.
local OFFER, UNIT, INITIAL, PRIORITY, EXPIRES, B_CREDITED, B_DEBITED, B_RESERVED = 1, 2, 3, 4, 5, 6, 7, 8

local function read_account(key)
    local packed = redis.call('GET', key)
    return packed and cmsgpack.unpack(packed)
end

local function copy(array)
    if #array < 1000 then return { unpack(array) } end -- quicker; more might not fit on Lua's stack
    local twin = {}
    for i = 1, #array do twin[i] = array[i] end
    return twin
end

local function available(a)
    return a[CREDITED] - a[DEBITED] - a[RESERVED] + a[CREDIT_LIMIT]
end

local function remaining(a, b)
    return a[b + B_CREDITED] - a[b + B_DEBITED] - a[b + B_RESERVED]
end

local function find_bucket(a, id)
    for b = FIRST, #a, STRIDE do
        if a[b] == id then return b end
    end
end

-- May the bucket pay for this unit under a quote that names these offers?
local function pays(a, b, unit, offers, now)
    return a[b + UNIT] == unit and offers[a[b + OFFER]] and remaining(a, b) > 0
        and (a[b + EXPIRES] < 0 or a[b + EXPIRES] > now)
end

local function check_range(a)
    if a[CREDITED] >= LIMIT or a[DEBITED] >= LIMIT or a[RESERVED] >= LIMIT
        or a[CREDITED] + a[CREDIT_LIMIT] >= LIMIT then
        error(RANGE)
    end
    for b = FIRST, #a, STRIDE do
        if a[b + B_CREDITED] >= LIMIT or a[b + B_DEBITED] >= LIMIT or a[b + B_RESERVED] >= LIMIT then
            error(RANGE)
        end
    end
end

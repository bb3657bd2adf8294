-- The account, a flat array: the header, then eleven fields for each bucket, in the order in which buckets pay.

local VERSION, STATUS, PLAN, CURRENCY, CREDIT_LIMIT = 1, 2, 3, 4, 5
local CREDITED, DEBITED, RESERVED, OVERRUN = 6, 7, 8, 9
local OPENED_AT, PARENT, IDENTITIES, GIVEN, RETIRED, METERS = 10, 11, 12, 13, 14, 15
local BILLING, CAP = 16, 17 -- whose wallet pays; money a month that a member may spend, or -1
local UNTIL, GRACE_UNTIL = 18, 19 -- the ends of its validity and of its grace, or -1
local FIRST, STRIDE = 20, 11
-- Offsets in a bucket; its id is at 0, expiry -1 is never. LASTS: -1, or how long it is good for from its first use on,
-- while that is to come.
local OFFER, UNIT, INITIAL, PRIORITY, EXPIRES, B_CREDITED, B_DEBITED, B_RESERVED = 1, 2, 3, 4, 5, 6, 7, 8
local STARTS, LASTS = 9, 10

local function read_account(key)
    local packed = call('GET', key)
    return packed and open_array(packed)
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
        and (a[b + EXPIRES] < 0 or a[b + EXPIRES] > now) and a[b + STARTS] <= now
end

-- When the bucket ends if it is used now; LIMIT if it does not.
local function end_of(a, b, now)
    local ends = a[b + EXPIRES] < 0 and LIMIT or a[b + EXPIRES]
    return a[b + LASTS] < 0 and ends or min(ends, now + a[b + LASTS])
end

-- What the house keeps a bucket's counters in: bonus money is not the currency's own.
local function asset_of(a, b)
    return a[b + UNIT] == 'money' and a[CURRENCY] .. ' bonus' or a[b + UNIT]
end

-- Puts a bucket in its place: priority, then earlier expiry, then the one that came first.
local function place(a, fields)
    local priority, expires = fields[PRIORITY + 1], fields[EXPIRES + 1]
    local at, last = #a + 1, expires < 0 and LIMIT or expires
    for b = FIRST, #a, STRIDE do
        local other = a[b + EXPIRES] < 0 and LIMIT or a[b + EXPIRES]
        if a[b + PRIORITY] > priority or (a[b + PRIORITY] == priority and other > last) then
            at = b
            break
        end
    end
    for i = #a, at, -1 do a[i + STRIDE] = a[i] end
    for i = 1, STRIDE do a[at + i - 1] = fields[i] end
end

-- Buckets that last from their first use on and have been used begin to run. Returns when the first of them ends.
local function start_clocks(a, now)
    local begun
    for b = FIRST, #a, STRIDE do
        if a[b + LASTS] >= 0 and (a[b + B_RESERVED] > 0 or a[b + B_DEBITED] > 0) then
            begun = begun or {}
            begun[#begun + 1] = a[b]
        end
    end
    local first
    for i = 1, begun and #begun or 0 do
        local b, fields = find_bucket(a, begun[i]), {}
        local ends = end_of(a, b, now)
        a[b + EXPIRES], a[b + LASTS] = ends, -1
        for j = 1, STRIDE do fields[j] = table.remove(a, b) end
        place(a, fields)
        first = first and min(first, ends) or ends
    end
    return first
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

-- What keys hold and how it is settled, as in books.py.

local quotes = {} -- each is read once

local function quote_of(k)
    local packed = k[QUOTE]
    local q = quotes[packed]
    if not q then
        q = read_quote(packed)
        quotes[packed] = q
    end
    return q
end

-- What money owes for the next units of the key; counts them.
local function price_of(k, units)
    if units == 0 then return 0 end
    local q, base = quote_of(k), k[PAID_UNITS]
    if base + units >= LIMIT then error(RANGE) end
    k[PAID_UNITS] = base + units
    return cost(q, base + units) - cost(q, base)
end

-- First part of a settlement: what the key held pays. Returns the money due and the units still unpaid.
local function settle_held(a, s, k, used, total)
    local units = total < 0 and used or max(0, total - k[USED])
    k[USED] = k[USED] + units
    if k[USED] >= LIMIT then error(RANGE) end
    local left, parts, kept = units, k[PARTS], {}
    for i = 1, #parts, 2 do
        local taken = min(left, parts[i + 1])
        left = left - taken
        local b = taken > 0 and find_bucket(a, parts[i])
        if b then -- one written off since has been debited whole: it pays all the same
            a[b + B_RESERVED] = a[b + B_RESERVED] - taken
            a[b + B_DEBITED] = a[b + B_DEBITED] + taken
            pay(s, parts[i], taken)
        end
        if parts[i + 1] > taken then
            kept[#kept + 1] = parts[i]
            kept[#kept + 1] = parts[i + 1] - taken
        end
    end
    k[PARTS] = kept
    local taken = min(left, k[MONEY_UNITS])
    k[MONEY_UNITS] = k[MONEY_UNITS] - taken
    return price_of(k, taken), left - taken
end

-- Second part: consumed is consumed, so free allowances and then money pay for what was not held.
local function settle_excess(a, s, k, left, now)
    if left == 0 then return 0 end
    local offers = quote_of(k).offers
    if offers then
        for b = FIRST, #a, STRIDE do
            if left > 0 and pays(a, b, k[K_UNIT], offers, now) then
                local taken = min(left, remaining(a, b))
                a[b + B_DEBITED] = a[b + B_DEBITED] + taken
                pay(s, a[b], taken)
                left = left - taken
            end
        end
    end
    return price_of(k, left)
end

-- Debits money whether it is there or not; what no credit covers is overrun.
local function debit(a, amount)
    a[OVERRUN] = a[OVERRUN] + max(0, amount - max(0, available(a)))
    a[DEBITED] = a[DEBITED] + amount
end

local function release(a, k)
    local parts = k[PARTS]
    for i = 1, #parts, 2 do
        local b = find_bucket(a, parts[i])
        if b then a[b + B_RESERVED] = a[b + B_RESERVED] - parts[i + 1] end
    end
    a[RESERVED] = a[RESERVED] - k[COST]
    forget(k)
end

-- Could this many more units be reserved?
local function affordable(a, k, units, now)
    local q = quote_of(k)
    if q.offers then
        for b = FIRST, #a, STRIDE do
            if pays(a, b, k[K_UNIT], q.offers, now) then units = units - min(units, remaining(a, b)) end
        end
    end
    return reach(q, k[PAID_UNITS] + k[MONEY_UNITS], units, max(0, available(a))) >= units
end

-- Reserves up to wanted units, allowances first. Returns units granted, their cost and whether they are the last; or
-- nothing if fewer than least are to be had.
local function reserve(a, k, unit, wanted, least, now)
    local q, parts = quote_of(k), k[PARTS]
    least = max(1, min(least, wanted))
    local left, taken = wanted, {}
    if q.offers then
        for b = FIRST, #a, STRIDE do
            if left > 0 and pays(a, b, unit, q.offers, now) then
                local units = min(left, remaining(a, b))
                taken[#taken + 1] = b
                taken[#taken + 1] = units
                left = left - units
            end
        end
    end
    local base = k[PAID_UNITS] + k[MONEY_UNITS]
    local bought = reach(q, base, left, max(0, available(a)))
    local granted = wanted - left + bought
    if granted < least then
        k[SHORT] = true
        return
    end
    local due = cost(q, base + bought) - cost(q, base)
    for i = 1, #taken, 2 do
        local b = taken[i]
        a[b + B_RESERVED] = a[b + B_RESERVED] + taken[i + 1]
        parts[#parts + 1] = a[b]
        parts[#parts + 1] = taken[i + 1]
    end
    a[RESERVED] = a[RESERVED] + due
    k[MONEY_UNITS] = k[MONEY_UNITS] + bought
    k[COST] = k[COST] + due
    k[SHORT] = granted < wanted or not affordable(a, k, least, now)
    return granted, due, k[SHORT]
end

local function units_held(k)
    local units = k[MONEY_UNITS]
    for i = 2, #k[PARTS], 2 do units = units + k[PARTS][i] end
    return units
end

-- Debits all a key holds. The key keeps what was held, to be undone or forgotten.
local function debit_held(a, s, k)
    for i = 1, #k[PARTS], 2 do
        local b, units = find_bucket(a, k[PARTS][i]), k[PARTS][i + 1]
        if b then
            a[b + B_RESERVED] = a[b + B_RESERVED] - units
            a[b + B_DEBITED] = a[b + B_DEBITED] + units
            pay(s, k[PARTS][i], units)
        end
    end
    a[RESERVED] = a[RESERVED] - k[COST]
    a[DEBITED] = a[DEBITED] + k[COST]
    k[K_SPENT] = k[K_SPENT] + k[COST]
    s[SPENT] = s[SPENT] + k[COST]
end

-- Takes a provisional debit back, as credit, and holds again what was held: the real usage can be settled now.
local function reverse(a, s, k)
    for i = 1, #k[PARTS], 2 do
        local b, units = find_bucket(a, k[PARTS][i]), k[PARTS][i + 1]
        if b then
            a[b + B_CREDITED] = a[b + B_CREDITED] + units
            a[b + B_RESERVED] = a[b + B_RESERVED] + units
            pay(s, k[PARTS][i], -units)
        end
    end
    a[CREDITED] = a[CREDITED] + k[COST]
    a[RESERVED] = a[RESERVED] + k[COST]
    k[K_SPENT] = k[K_SPENT] - k[COST]
    s[SPENT] = s[SPENT] - k[COST]
    k[PROVISIONAL] = false
end

-- What keys hold and how it is settled, as in books.py. A key's quote is read once, into k.q.

local function quote_of(k)
    if not k.q then k.q = read_quote(k.quote) end
    return k.q
end

-- What money owes for the next units of the key; counts them.
local function price_of(k, units)
    if units == 0 then return 0 end
    local q, base = quote_of(k), k.paid_units
    if base + units >= LIMIT then error(RANGE) end
    k.paid_units = base + units
    return cost(q, base + units) - cost(q, base)
end

-- First part of a settlement: what the key held pays. Returns the money due and the units still unpaid.
local function settle_held(a, s, k, used, total)
    local units = total < 0 and used or max(0, total - k.used)
    k.used = k.used + units
    if k.used >= LIMIT then error(RANGE) end
    local left, parts, kept = units, k.parts, {}
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
    k.parts = kept
    local taken = min(left, k.money_units)
    k.money_units = k.money_units - taken
    return price_of(k, taken), left - taken
end

-- Second part: consumed is consumed, so free allowances and then money pay for what was not held.
local function settle_excess(a, s, k, left, now)
    if left == 0 then return 0 end
    local offers = quote_of(k).offers
    if offers then
        for b = FIRST, #a, STRIDE do
            if left > 0 and pays(a, b, k.unit, offers, now) then
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
    local parts = k.parts
    for i = 1, #parts, 2 do
        local b = find_bucket(a, parts[i])
        if b then a[b + B_RESERVED] = a[b + B_RESERVED] - parts[i + 1] end
    end
    a[RESERVED] = a[RESERVED] - k.cost
    forget(k)
end

-- Could this many more units be reserved?
local function affordable(a, k, units, now)
    local q = quote_of(k)
    if q.offers then
        for b = FIRST, #a, STRIDE do
            if pays(a, b, k.unit, q.offers, now) then units = units - min(units, remaining(a, b)) end
        end
    end
    return reach(q, k.paid_units + k.money_units, units, max(0, available(a))) >= units
end

-- Reserves up to wanted units, allowances first. Returns units granted, their cost and whether they are the last; or
-- nothing if fewer than least are to be had.
local function reserve(a, k, unit, wanted, least, now)
    local q, parts = quote_of(k), k.parts
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
    local base = k.paid_units + k.money_units
    local bought = reach(q, base, left, max(0, available(a)))
    local granted = wanted - left + bought
    if granted < least then return end
    local due = cost(q, base + bought) - cost(q, base)
    for i = 1, #taken, 2 do
        local b = taken[i]
        a[b + B_RESERVED] = a[b + B_RESERVED] + taken[i + 1]
        parts[#parts + 1] = a[b]
        parts[#parts + 1] = taken[i + 1]
    end
    a[RESERVED] = a[RESERVED] + due
    k.money_units = k.money_units + bought
    k.cost = k.cost + due
    return granted, due, granted < wanted or not affordable(a, k, least, now)
end

local function units_held(k)
    local units = k.money_units
    for i = 2, #k.parts, 2 do units = units + k.parts[i] end
    return units
end

-- Debits all a key holds. The key keeps what was held, to be undone or forgotten.
local function debit_held(a, s, k)
    for i = 1, #k.parts, 2 do
        local b, units = find_bucket(a, k.parts[i]), k.parts[i + 1]
        if b then
            a[b + B_RESERVED] = a[b + B_RESERVED] - units
            a[b + B_DEBITED] = a[b + B_DEBITED] + units
            pay(s, k.parts[i], units)
        end
    end
    a[RESERVED] = a[RESERVED] - k.cost
    a[DEBITED] = a[DEBITED] + k.cost
    k.spent = k.spent + k.cost
    s.spent = s.spent + k.cost
end

-- Takes a provisional debit back, as credit, and holds again what was held: the real usage can be settled now.
local function reverse(a, s, k)
    for i = 1, #k.parts, 2 do
        local b, units = find_bucket(a, k.parts[i]), k.parts[i + 1]
        if b then
            a[b + B_CREDITED] = a[b + B_CREDITED] + units
            a[b + B_RESERVED] = a[b + B_RESERVED] + units
            pay(s, k.parts[i], -units)
        end
    end
    a[CREDITED] = a[CREDITED] + k.cost
    a[RESERVED] = a[RESERVED] + k.cost
    k.spent = k.spent - k.cost
    s.spent = s.spent - k.cost
    k.provisional = false
end

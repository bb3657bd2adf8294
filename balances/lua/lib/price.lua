-- Prices, as in price.py: cost(quote, units) and reach(quote, units, wanted, budget).
-- A quote comes packed and flat: terms, setup, n, n offers, m, m steps of (upto or -1, block, amount, per, bias); where it
-- says more: share, floor, meterings (flat, see meters.lua) or false, then offer, packed quote (false: stop) for each
-- overage.

local function read_quote(packed)
    local q = open_packed(packed)
    local n = q[3]
    local offers
    if n > 0 then
        offers = {}
        for i = 4, 3 + n do offers[q[i]] = true end
    end
    q.offers = offers
    q.asked, q.told = 0, 0 -- the last answer of cost
    q.first = 5 + n
    q.last = 4 + n + q[4 + n] * 5
    if #q > q.last then
        q.share, q.floor, q.meters, q.overage = q[q.last + 1], q[q.last + 2], q[q.last + 3], #q > q.last + 3 and {}
        for i = q.last + 4, #q, 2 do q.overage[q[i]] = q[i + 1] end
    end
    return q
end

-- What so many units cost in a step that begins with them; never more than LIMIT.
local function due_for(q, step, units)
    if units == 0 then return 0 end
    local block = q[step + 1]
    local rest = units % block
    local blocks = (units - rest) / block
    if rest > 0 then blocks = blocks + 1 end
    local numerator = blocks * q[step + 2] + q[step + 4]
    if numerator >= LIMIT then return LIMIT end
    local per = q[step + 3]
    if per == 1 then return numerator end
    return (numerator - numerator % per) / per
end

-- A charge asks for the same place several times in a row.
local function cost(q, units)
    if units <= 0 then return 0 end
    if units == q.asked then return q.told end
    local total, start = q[2], 0
    for step = q.first, q.last, 5 do
        local upto = q[step]
        local stop = (upto < 0 or units < upto) and units or upto
        total = total + due_for(q, step, stop - start)
        if total >= LIMIT then error(RANGE) end
        if stop == units then break end
        start = stop
    end
    q.asked, q.told = units, total
    return total
end

local function reach(q, units, wanted, budget)
    if wanted <= 0 then return 0 end
    local setup = q[2]
    local goal = units + wanted
    if goal >= LIMIT then goal = LIMIT - 1 end
    local left = cost(q, units) - setup + budget
    if left >= LIMIT - setup then left = LIMIT - 1 - setup end
    if left < 0 then return 0 end
    local start, stop, open = 0, 0, true
    for step = q.first, q.last, 5 do
        local upto = q[step]
        stop = (upto < 0 or goal < upto) and goal or upto
        local due = due_for(q, step, stop - start)
        if due > left then
            local affordable = div(min((left + 1) * q[step + 3], LIMIT) - 1 - q[step + 4], q[step + 2])
            stop, open = start + max(0, affordable) * q[step + 1], false
            break
        end
        if stop == goal then break end
        left = left - due
        start = stop
    end
    if open then stop = goal end
    return max(0, min(stop, goal) - units)
end

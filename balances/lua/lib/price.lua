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
    q.first = 5 + n
    q.last = 4 + n + q[4 + n] * 5
    if #q > q.last then
        q.share, q.floor, q.meters, q.overage = q[q.last + 1], q[q.last + 2], q[q.last + 3], #q > q.last + 3 and {}
        for i = q.last + 4, #q, 2 do q.overage[q[i]] = q[i + 1] end
    end
    return q
end

local function blocks_in(units, block)
    local rest = fmod(units, block)
    local blocks = (units - rest) / block
    if rest > 0 then blocks = blocks + 1 end
    return blocks
end

local function due_for(q, step, blocks)
    if blocks == 0 then return 0 end
    local numerator = blocks * q[step + 2] + q[step + 4]
    if numerator >= LIMIT then return LIMIT end
    local per = q[step + 3]
    if per == 1 then return numerator end
    return div(numerator, per)
end

local function cost(q, units)
    if units <= 0 then return 0 end
    local total, start = q[2], 0
    for step = q.first, q.last, 5 do
        local upto = q[step]
        local stop = (upto < 0 or units < upto) and units or upto
        total = total + due_for(q, step, blocks_in(stop - start, q[step + 1]))
        if total >= LIMIT then error(RANGE) end
        if stop == units then break end
        start = stop
    end
    return total
end

local function reach(q, units, wanted, budget)
    if wanted <= 0 then return 0 end
    local setup = q[2]
    local goal = min(units + wanted, LIMIT - 1)
    local left = min(cost(q, units) - setup + budget, LIMIT - 1 - setup)
    if left < 0 then return 0 end
    local start, stop, open = 0, 0, true
    for step = q.first, q.last, 5 do
        local upto, block = q[step], q[step + 1]
        stop = (upto < 0 or goal < upto) and goal or upto
        local due = due_for(q, step, blocks_in(stop - start, block))
        if due > left then
            local affordable = div(min((left + 1) * q[step + 3], LIMIT) - 1 - q[step + 4], q[step + 2])
            stop, open = start + max(0, affordable) * block, false
            break
        end
        if stop == goal then break end
        left = left - due
        start = stop
    end
    if open then stop = goal end
    return max(0, min(stop, goal) - units)
end

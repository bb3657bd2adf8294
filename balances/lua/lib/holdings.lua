-- What keys hold and how it is settled, as in holdings.py.

local MOST_QUOTES = 1000
local quotes, quotes_read = {}, 0 -- each is read once

local function read_once(packed)
    local q = quotes[packed]
    if not q then
        q = read_quote(packed)
        quotes[packed], quotes_read = q, quotes_read + 1
    end
    return q
end

-- What was noted of other calls, where a library outlives them.
local function forget_calls()
    if not call then find_libraries() end
    if next_of(opened) then opened = {} end
    if #warned > 0 then warned = {} end
    if quotes_read > MOST_QUOTES then quotes, quotes_read = {}, 0 end
end

local function quote_of(k)
    return read_once(k[QUOTE])
end

local function units_held(k)
    local units = k[MONEY_UNITS]
    for i = 2, #k[PARTS], 2 do units = units + k[PARTS][i] end
    return units
end

-- Money reserved, bonus money included.
local function money_held(k)
    local money = k[COST]
    for i = 4, k[BEYOND] and #k[BEYOND] or 0, 2 do money = money + k[BEYOND][i] end
    return money
end

-- The price that holds for the units that money pays for under the key's quote, and where it has come to; false: nothing
-- more may be bought.
local function price_now(k, q)
    local more = k[BEYOND]
    if not more or more[1] == '' then return q, k[PAID_UNITS] end
    local packed = q.overage and q.overage[more[1]]
    if packed == false then return false, more[2] end
    return packed and read_once(packed) or q, more[2]
end

local function in_overage(k)
    return k[BEYOND] and k[BEYOND][1] ~= ''
end

-- What money owes for the next units of the key; counts them. What was used in spite of a stop has its price too.
local function price_of(a, k, quote, units)
    if units == 0 then return 0 end
    local price, base = price_now(k, quote)
    local q = price or quote
    local place = base
    if q.meters and not in_overage(k) then place = axis_of(a, q.meters) or base end
    if max(base, place) + units >= LIMIT then error(RANGE) end
    if k[BEYOND] and k[BEYOND][1] ~= '' then k[BEYOND][2] = base + units else k[PAID_UNITS] = base + units end
    local before = cost(q, place)
    return cost(q, place + units) - before
end

-- Where what money pays for would be on the price's axis, which has come to base, behind so many units that allowances pay
-- for: its two ends, see books.py.
local function places(a, k, q, base, allowed)
    local meters = q.meters
    if meters and not in_overage(k) then
        local used, held = axis_of(a, meters)
        if used then
            local first, last = used + units_held(k) + allowed, used + held + allowed
            if k.elsewhere then return last - k.elsewhere, last - k.elsewhere end
            return first, last
        end
    end
    base = base + k[MONEY_UNITS]
    return base, base
end

-- Debits up to this much of what a list of bucket, amount, ... holds. Returns the list as it is then, and what is left.
local function consume(a, parts, first, amount, paid)
    if #parts < first then return parts, amount end
    local kept = {}
    for i = 1, first - 1 do kept[i] = parts[i] end
    for i = first, #parts, 2 do
        local taken = min(amount, parts[i + 1])
        amount = amount - taken
        local b = taken > 0 and find_bucket(a, parts[i])
        if b then -- one written off since has been debited whole: it pays all the same
            a[b + B_RESERVED] = a[b + B_RESERVED] - taken
            a[b + B_DEBITED] = a[b + B_DEBITED] + taken
        end
        if taken > 0 then pay(paid, parts[i], taken) end
        if parts[i + 1] > taken then
            kept[#kept + 1] = parts[i]
            kept[#kept + 1] = parts[i + 1] - taken
        end
    end
    return kept, amount
end

-- First part of a settlement: what the key held pays, bonus money before the main balance. Returns the money due and the
-- units still unpaid.
local function settle_held(a, s, k, used, total)
    local units = total < 0 and used or max(0, total - k[USED])
    k[USED] = k[USED] + units
    if k[USED] >= LIMIT then error(RANGE) end
    local q, left = quote_of(k), nil
    local meters = q.meters
    local units_before, money_before = meters and units_held(k), meters and money_held(k)
    k[PARTS], left = consume(a, k[PARTS], 1, units, s[PAID])
    local taken = min(left, k[MONEY_UNITS])
    k[MONEY_UNITS] = k[MONEY_UNITS] - taken
    if meters then count_meters(a, meters, k[K_UNIT], units - left, 0) end
    local due = price_of(a, k, q, taken)
    if meters then count_meters(a, meters, k[K_UNIT], taken, due) end
    if k[BEYOND] then k[BEYOND], due = consume(a, k[BEYOND], 3, due, s[BONUS_PAID]) end
    if meters then
        hold_meters(a, meters, k[K_UNIT], units_held(k) - units_before, money_held(k) - money_before)
    end
    return due, left - taken
end

-- Debits buckets by up to this much, in their order. Returns how much.
local function spend(a, paid, unit, offers, amount, now)
    local left = amount
    for b = FIRST, #a, STRIDE do
        if left > 0 and pays(a, b, unit, offers, now) then
            local taken = min(left, remaining(a, b))
            a[b + B_DEBITED] = a[b + B_DEBITED] + taken
            pay(paid, a[b], taken)
            left = left - taken
        end
    end
    return amount - left
end

-- Makes the overage hold, beyond the allowances, of the first bucket that runs and has one; or none.
local function choose_overage(a, k, now)
    local q, offer = quote_of(k), ''
    for b = FIRST, q.overage and q.offers and #a or 0, STRIDE do
        if offer == '' and q.overage[a[b + OFFER]] ~= nil and q.offers[a[b + OFFER]] and a[b + UNIT] == k[K_UNIT]
            and (a[b + EXPIRES] < 0 or a[b + EXPIRES] > now) and a[b + STARTS] <= now then
            offer = a[b + OFFER]
        end
    end
    if k[BEYOND] then k[BEYOND][1] = offer elseif offer ~= '' then k[BEYOND] = { offer, 0 } end
end

-- Second part: consumed is consumed, so free allowances and then money pay for what was not held.
local function settle_excess(a, s, k, left, now)
    if left == 0 then return 0 end
    local q, excess = quote_of(k), left
    local offers, meters = q.offers, q.meters
    if offers then left = left - spend(a, s[PAID], k[K_UNIT], offers, left, now) end
    count_meters(a, meters, k[K_UNIT], excess - left, 0)
    if k[BEYOND] or q.overage then choose_overage(a, k, now) end
    local due = price_of(a, k, q, left)
    count_meters(a, meters, k[K_UNIT], left, due)
    if offers and k[K_UNIT] ~= 'money' then due = due - spend(a, s[BONUS_PAID], 'money', offers, due, now) end
    return due
end

-- Debits money whether it is there or not; what no credit covers is overrun.
local function debit(a, amount)
    local short = amount - max(0, available(a))
    if short > 0 then a[OVERRUN] = a[OVERRUN] + short end
    a[DEBITED] = a[DEBITED] + amount
end

-- Adds what a list of bucket, amount, ... holds to the buckets' counters, so many times; and to what was paid, if given.
local function shift(a, parts, first, credited, debited, reserved, paid)
    for i = first, #parts, 2 do
        local b, amount = find_bucket(a, parts[i]), parts[i + 1]
        if b then
            a[b + B_CREDITED] = a[b + B_CREDITED] + credited * amount
            a[b + B_DEBITED] = a[b + B_DEBITED] + debited * amount
            a[b + B_RESERVED] = a[b + B_RESERVED] + reserved * amount
        end
        if paid then pay(paid, parts[i], (debited - credited) * amount) end
    end
end

local function release(a, k)
    shift(a, k[PARTS], 1, 0, 0, -1)
    if k[BEYOND] then shift(a, k[BEYOND], 3, 0, 0, -1) end
    a[RESERVED] = a[RESERVED] - k[COST]
    if a[METERS] ~= '' or opened[a] then hold_meters(a, quote_of(k).meters, k[K_UNIT], -units_held(k), -money_held(k)) end
    forget(k)
end

-- What could pay under a quote that names these offers: units of allowances, bonus money, and money altogether.
local function means(a, offers, unit, now)
    local units, bonus = 0, 0
    if offers then
        for b = FIRST, #a, STRIDE do
            if pays(a, b, unit, offers, now) then
                units = units + remaining(a, b)
            elseif unit ~= 'money' and pays(a, b, 'money', offers, now) then
                bonus = bonus + remaining(a, b)
            end
        end
    end
    return units, bonus, bonus + max(0, available(a))
end

-- How many of so many units can be had, with so many in allowances and so much money, but not more than most.
local function had_of(a, k, q, units, allowed, money, most)
    if units > most then units = most end
    if units <= allowed then return units end
    local price, base = price_now(k, q)
    if not price then return allowed end
    local first, last = places(a, k, q, base, allowed)
    local bought = reach(price, first, units - allowed, money)
    if first ~= last then bought = min(bought, reach(price, last, units - allowed, money)) end
    return allowed + bought
end

-- Reserves this much in buckets, in their order. Returns when the first of them ends.
local function reserve_in(a, parts, unit, offers, amount, now)
    local ends = LIMIT
    for b = FIRST, #a, STRIDE do
        if amount > 0 and pays(a, b, unit, offers, now) then
            local taken = min(amount, remaining(a, b))
            a[b + B_RESERVED] = a[b + B_RESERVED] + taken
            parts[#parts + 1] = a[b]
            parts[#parts + 1] = taken
            amount = amount - taken
            ends = min(ends, end_of(a, b, now))
        end
    end
    return ends
end

-- Reserves up to wanted units, allowances first. Returns units granted, their cost, whether they are the last, the
-- milliseconds until the first bucket that pays ends or -1, and the terms; or nothing, and why, if fewer than least are to
-- be had.
local function reserve(a, k, unit, wanted, least, now)
    local q = quote_of(k)
    least = max(1, min(least, wanted))
    if k[BEYOND] or q.overage then choose_overage(a, k, now) end
    local allowed, bonus, unlimited = means(a, q.offers, unit, now)
    local money, most, stretch, beyond = unlimited, LIMIT * 2, nil, nil
    if q.meters then
        most, money, stretch, beyond = meters_room(a, q.meters, k[K_UNIT], least)
        money = min(unlimited, money)
    end
    if q.share and q.share > 0 then -- of what is left, exactly rounded down
        local left = had_of(a, k, q, min(wanted, div(LIMIT, 101)) * 100, allowed, money, most)
        local rest = left % 100
        wanted = min(wanted, max(max(least, q.floor), (left - rest) / 100 * q.share + div(rest * q.share, 100)))
    end
    if stretch then wanted = min(wanted, stretch) end
    if allowed >= least and allowed < wanted and k[BEYOND] and k[BEYOND][1] ~= '' then
        wanted = allowed -- a grant of its own, since what follows is on other terms
    end
    local granted = had_of(a, k, q, wanted, allowed, money, most)
    if granted < least then
        k[SHORT] = true
        local capped = q.meters and had_of(a, k, q, least, allowed, unlimited, LIMIT * 2) >= least
        return nil, capped and 'spending-limit' or 'insufficient-credit'
    end
    local paid = min(allowed, granted)
    local bought = granted - paid
    local due, terms = 0, q[1]
    if bought > 0 then
        local price, base = price_now(k, q)
        local first, last = places(a, k, q, base, paid)
        local before = cost(price, first)
        due, terms = cost(price, first + bought) - before, price[1]
        if first ~= last then due = max(due, cost(price, last + bought) - cost(price, last)) end
    end
    if bonus > due then bonus = due end
    local ends = paid > 0 and reserve_in(a, k[PARTS], unit, q.offers, paid, now) or LIMIT
    if bonus > 0 then
        k[BEYOND] = k[BEYOND] or { '', 0 }
        ends = min(ends, reserve_in(a, k[BEYOND], 'money', q.offers, bonus, now))
    end
    a[RESERVED] = a[RESERVED] + due - bonus
    k[MONEY_UNITS] = k[MONEY_UNITS] + bought
    k[COST] = k[COST] + due - bonus
    if q.meters then hold_meters(a, q.meters, k[K_UNIT], granted, due) end
    k[SHORT] = granted < wanted or had_of(a, k, q, least, allowed - paid, money - due, most - granted) < least
    return granted, due - bonus, k[SHORT], ends < LIMIT and ends - now or -1, beyond or terms
end

-- What a key holds is used (1), or, taken back, held again (-1): so its meters say. If it lapsed, those that are in the
-- period it was granted in; see holdings.py.
local function move_held(a, k, sign)
    local meters = quote_of(k).meters
    if not meters then return end
    local units, money = sign * units_held(k), sign * money_held(k)
    hold_meters(a, meters, k[K_UNIT], -units, -money)
    count_meters(a, k.elsewhere and meters or running_meters(a, meters), k[K_UNIT], units, money)
end

-- Debits all a key holds. The key keeps what was held, to be undone or forgotten.
local function debit_held(a, s, k)
    shift(a, k[PARTS], 1, 0, 1, -1, s[PAID])
    if k[BEYOND] then shift(a, k[BEYOND], 3, 0, 1, -1, s[BONUS_PAID]) end
    a[RESERVED] = a[RESERVED] - k[COST]
    a[DEBITED] = a[DEBITED] + k[COST]
    k[K_SPENT] = k[K_SPENT] + k[COST]
    s[SPENT] = s[SPENT] + k[COST]
    move_held(a, k, 1)
end

-- No report comes any more: what was debited provisionally was used.
local function confirm(k)
    k[USED] = k[USED] + units_held(k)
    if k[USED] >= LIMIT then error(RANGE) end
    forget(k)
end

-- Takes a provisional debit back, as credit, and holds again what was held: the real usage can be settled now.
local function reverse(a, s, k)
    shift(a, k[PARTS], 1, 1, 0, 1, s[PAID])
    if k[BEYOND] then shift(a, k[BEYOND], 3, 1, 0, 1, s[BONUS_PAID]) end
    a[CREDITED] = a[CREDITED] + k[COST]
    a[RESERVED] = a[RESERVED] + k[COST]
    k[K_SPENT] = k[K_SPENT] - k[COST]
    s[SPENT] = s[SPENT] - k[COST]
    move_held(a, k, -1)
    k[PROVISIONAL] = false
end

-- Meters: what the account used and spent in a period, and what open sessions hold of it, as in meters.py.
-- a[METERS] is '' or packed and flat, eight fields for each; read only if there is one, packed again by seal_meters.

local M_NAME, M_UNIT, M_ENDS, M_USED, M_SPENT, M_HELD, M_HELD_MONEY, M_LIFTED = 0, 1, 2, 3, 4, 5, 6, 7
local M_STRIDE, MOST_METERS = 8, 32
-- Of a quote's metering; CAP, WARN, MOST_UNITS are -1 where there is none, BEYOND is ''.
local N_METER, N_UNIT, N_ENDS, N_CAP, N_WARN, N_MOST_UNITS, N_AXIS, N_BEYOND, N_STRIDE = 0, 1, 2, 3, 4, 5, 6, 7, 8

local opened = {} -- by account

local function meters_of(a)
    local m = opened[a]
    if not m then
        m = a[METERS] == '' and {} or open_packed(a[METERS])
        opened[a] = m
    end
    return m
end

-- Puts the meters back into the account; returns whether any of them has changed.
local function seal_meters(a)
    local m = opened[a]
    if not m or #m == 0 and a[METERS] == '' then return false end
    local packed = pack(m)
    if packed == a[METERS] then return false end
    a[METERS] = packed
    return true
end

local function find_meter(m, name)
    for i = 1, #m, M_STRIDE do
        if m[i + M_NAME] == name then return i end
    end
end

-- Forgets a meter whose period is over and of which nothing is held, if there are too many.
local function make_room(m, now)
    if #m < MOST_METERS * M_STRIDE then return true end
    for i = 1, #m, M_STRIDE do
        if m[i + M_ENDS] <= now and m[i + M_HELD] == 0 and m[i + M_HELD_MONEY] == 0 then
            for _ = 1, M_STRIDE do table.remove(m, i) end
            return true
        end
    end
    return false
end

-- Has the meters in the periods they are named for, or in later ones. False if there is no room for one.
local function enter_meters(a, meterings, now)
    if not meterings then return true end
    local m = meters_of(a)
    for n = 1, #meterings, N_STRIDE do
        local i, ends = find_meter(m, meterings[n + N_METER]), meterings[n + N_ENDS]
        if not i then
            if not make_room(m, now) then return false end
            local at = #m
            local fields = { meterings[n + N_METER], meterings[n + N_UNIT], ends, 0, 0, 0, 0, false }
            for f = 1, M_STRIDE do m[at + f] = fields[f] end
        elseif ends > m[i + M_ENDS] then
            m[i + M_ENDS], m[i + M_USED], m[i + M_SPENT], m[i + M_LIFTED] = ends, 0, 0, false
        end
    end
    return true
end

local function meters_known(a, meterings)
    local m = meterings and meters_of(a)
    for n = 1, meterings and #meterings or 0, N_STRIDE do
        if not find_meter(m, meterings[n + N_METER]) then return false end
    end
    return true
end

-- Those whose meter is in the period they are named for.
local function running_meters(a, meterings)
    local m, running = meters_of(a), {}
    for n = 1, #meterings, N_STRIDE do
        local i = find_meter(m, meterings[n + N_METER])
        if i and m[i + M_ENDS] == meterings[n + N_ENDS] then
            for f = n, n + N_STRIDE - 1 do running[#running + 1] = meterings[f] end
        end
    end
    return running
end

-- So much more is held, below zero less.
local function hold_meters(a, meterings, unit, units, money)
    if not meterings then return end
    local m = meters_of(a)
    for n = 1, #meterings, N_STRIDE do
        local i = find_meter(m, meterings[n + N_METER])
        if i then
            if m[i + M_UNIT] == unit then m[i + M_HELD] = m[i + M_HELD] + units end
            m[i + M_HELD_MONEY] = m[i + M_HELD_MONEY] + money
        end
    end
end

local warned = {} -- names of the meters that have reached their warning

-- So much was used.
local function count_meters(a, meterings, unit, units, money)
    if not meterings then return end
    local m = meters_of(a)
    for n = 1, #meterings, N_STRIDE do
        local i, warn = find_meter(m, meterings[n + N_METER]), meterings[n + N_WARN]
        if i then
            local before = m[i + M_SPENT]
            if m[i + M_UNIT] == unit then m[i + M_USED] = max(0, m[i + M_USED] + units) end
            m[i + M_SPENT] = max(0, before + money)
            if m[i + M_USED] >= LIMIT or m[i + M_SPENT] >= LIMIT then error(RANGE) end
            if warn >= 0 and before < warn and warn <= m[i + M_SPENT] then
                warned[#warned + 1] = meterings[n + N_METER]
            end
        end
    end
end

-- What the limits leave, in units and in money; those that were lifted leave all. Then the units to the next limit at
-- which the terms change, and the terms by limits that leave fewer than least, the last named of them; or false.
local function meters_room(a, meterings, unit, least)
    local units, money, stretch, beyond = LIMIT * 2, LIMIT * 2, LIMIT * 2, false
    local m = meters_of(a)
    for n = 1, #meterings, N_STRIDE do
        local i, cap, most = find_meter(m, meterings[n + N_METER]), meterings[n + N_CAP], meterings[n + N_MOST_UNITS]
        if i and not m[i + M_LIFTED] then
            if cap >= 0 then money = min(money, max(0, cap - m[i + M_SPENT] - m[i + M_HELD_MONEY])) end
            if most >= 0 and m[i + M_UNIT] == unit then
                local left = max(0, most - m[i + M_USED] - m[i + M_HELD])
                if meterings[n + N_BEYOND] == '' then
                    units = min(units, left)
                elseif left < least then
                    beyond = meterings[n + N_BEYOND]
                else
                    stretch = min(stretch, left)
                end
            end
        end
    end
    return units, money, stretch, beyond
end

-- Units used of the meter along which the price's steps run, and units held of it; nothing if there is none.
local function axis_of(a, meterings)
    for n = 1, meterings and #meterings or 0, N_STRIDE do
        if meterings[n + N_AXIS] == 1 then
            local m = meters_of(a)
            local i = find_meter(m, meterings[n + N_METER])
            if not i then return end
            return m[i + M_USED], m[i + M_HELD]
        end
    end
end

-- Levels: the accounts that one charge moves together, as in levels.py. Level 1 is the charged account, then come those up
-- the chain. A level is {a = account, old = as it was, s = what the session says of it, billing = how the one below is
-- tied to it, or nil}. The books of levels above the first are kept in the session: arrays like the session itself.

local function payer_of(levels)
    for n = 2, #levels do
        if levels[n].billing ~= 'shared' then return levels[n - 1] end
    end
    return levels[#levels]
end

-- Gives each level what the session says of it; the session gets the books it lacks, whose state and times say nothing.
-- Chains never change.
local function enter_books(levels, s)
    levels[1].s = s
    local books = s[LEVELS]
    for n = 2, #levels do
        local level = levels[n]
        if not books[n - 1] then
            books[n - 1] = new_session(level.a_name, s[S_DOOR], 'open', 0, 0)
            books[n - 1][TIE] = level.billing
        end
        level.s = books[n - 1]
    end
end

-- The levels of a stored session, whose accounts' keys begin with this; nil if one of them is gone.
local function stored_levels(s, prefix)
    local levels = { { s = s, key = prefix .. s[S_ACCOUNT] } }
    for n = 1, #s[LEVELS] do
        local book = s[LEVELS][n]
        levels[n + 1] = { s = book, key = prefix .. book[S_ACCOUNT], billing = book[TIE] }
    end
    for n = 1, #levels do
        local a = read_account(levels[n].key)
        if not a then return end
        levels[n].a, levels[n].old = a, copy(a)
    end
    return levels
end

local function twin_of(k)
    local twin = copy(k)
    twin[PARTS], twin.elsewhere = copy(k[PARTS]), k.elsewhere
    if k[BEYOND] then twin[BEYOND] = copy(k[BEYOND]) end
    return twin
end

-- How many units the level could reserve; or nothing, and why. Tried on copies.
local function try(level, k, unit, wanted, least, now)
    local a = copy(level.a)
    if level.a[METERS] ~= '' or opened[level.a] then opened[a] = copy(meters_of(level.a)) end
    local units, why = reserve(a, twin_of(k), unit, wanted, least, now)
    return units, why
end

-- Reserves on every level what all of them can pay for. Returns what reserve does of the payer; or nothing, why, and the
-- level that had too little.
local function reserve_on_all(levels, keys, unit, wanted, least, now)
    local payer = payer_of(levels)
    for n = 1, #levels > 1 and #levels or 0 do
        local units, why = try(levels[n], keys[n], unit, wanted, least, now)
        if not units then
            for i = 1, #keys do keys[i][SHORT] = true end
            return nil, why, levels[n]
        end
        wanted = units
    end
    local first, short, granted, due, terms = -1, false, nil, nil, nil
    for n = 1, #levels do
        local units, cost_of, final, ends, said = reserve(levels[n].a, keys[n], unit, wanted, least, now)
        if not units then return nil, cost_of, levels[n] end
        if levels[n] == payer then granted, due, terms = units, cost_of, said end
        if ends >= 0 then first = first < 0 and ends or min(first, ends) end
        short = short or final
    end
    for n = 1, #levels > 1 and #levels or 0 do keys[n][SHORT] = short end
    return granted, due, short, first, terms
end

-- Writes an entry for each level that moved, or that earned from the one below. The entry ends with how far up it is and
-- the margin: what the level below was debited less its own; or false. Returns by level whether its account has changed.
local function book_all(levels, at, operation, cause, door, session, reference, house, outbox)
    local below, changed = 0, {}
    for n = 1, #levels do
        local level = levels[n]
        local a, old = level.a, level.old
        local paid = a[DEBITED] - old[DEBITED] - a[CREDITED] + old[CREDITED]
        local margin = level.billing == 'resold' and below - paid
        local entry = { at, level.a_name or level.s[S_ACCOUNT], operation, cause, door, session, reference,
            nil, nil, nil, nil, nil, nil, nil, nil } -- room for a line
        changed[n] = book(a, old, entry, house, outbox, level.entries, n > 1 and { n - 1, margin })
        below = paid
    end
    return changed
end

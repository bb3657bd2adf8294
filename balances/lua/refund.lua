#!lua
-- refund: gives back what a session that has ended debited, or a part of it, to the same buckets, once.
-- uses: numbers price account outbox session meters holdings levels
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 the refund's own session  6 the target (may be the same)
--       7 the own session's earlier answers; for each level up the chain: its account, its entries
-- ARGV  1 packed: account, session, operation, fingerprint, target, door, now, window (ms), sequence or -1, units or false
--       2 packed, if there are levels up the chain: their accounts
-- Output  "0", or "1" for a replay; then the packed answer: "refunded", found, amount, again, units
-- Errors  none of its own

local r = cmsgpack.unpack(ARGV[1])
local ACCOUNT, SESSION, OPERATION, FINGERPRINT, TARGET, DOOR, NOW, WINDOW, SEQUENCE, UNITS = unpack(r)
local NOTHING = cmsgpack.pack({ 'refunded', false, 0, false, 0 })

local a = read_account(KEYS[1])
if not a then return '0' .. NOTHING end
local own = read_session(KEYS[5])
if own then
    if not same_owner(own, ACCOUNT, DOOR) then return '0' .. NOTHING end
    local _, known = find_answer(own, KEYS[7], OPERATION)
    if known then return '1' .. known end
    if may_have_dropped(own, SEQUENCE) then return '0' .. NOTHING end
end
own = own or new_session(ACCOUNT, DOOR, 'closed', NOW, NOW)
local same = SESSION == TARGET
local target = same and own or read_session(KEYS[6])
local above = ARGV[2] and cmsgpack.unpack(ARGV[2]) or {}
local levels = { { a = a, entries = KEYS[2], key = KEYS[1], a_name = ACCOUNT } }

-- a * b / c, rounded down, for b <= c: digit by digit, since a * b may be beyond what a double counts.
local function portion(a, b, c)
    local whole, rest, power = 0, 0, 1
    while power * 2 <= b do power = power * 2 end
    local function add(more) -- the remainder grows, but never beyond c
        if more >= c - rest then
            whole, rest = whole + 1, more - (c - rest)
        else
            rest = rest + more
        end
    end
    local each, part = div(a, c), a % c
    while power >= 1 do
        whole = whole * 2
        add(rest)
        if b >= power then
            b = b - power
            whole = whole + each
            add(part)
        end
        power = power / 2
    end
    return whole
end

-- A share of what buckets paid, beginning with those that paid last. Returns it and what is left of the share.
local function last_first(paid, left)
    local parts = {}
    for i = #paid, 2, -2 do
        local taken = min(left, paid[i])
        parts[i - 1], parts[i] = paid[i - 1], taken
        left = left - taken
    end
    return parts, left
end

-- What a refund of a part of the units is: money, which paid last, units and bonus money of buckets; see books.py.
local function share(spent, paid, bonus, units, refundable)
    local bought, total = refundable, spent
    for i = 2, #paid, 2 do bought = bought - paid[i] end
    for i = 2, #bonus, 2 do total = total + bonus[i] end
    local amount = bought > 0 and portion(total, min(units, bought), bought) or 0
    local main = min(spent, amount)
    local parts = last_first(paid, units - min(units, bought))
    return main, parts, last_first(bonus, amount - main)
end

-- Credits buckets with these parts of what they paid. Returns what they have paid then.
local function credit_parts(after, paid, parts)
    local kept = {}
    for i = 1, #parts, 2 do
        local b = find_bucket(after, parts[i]) -- one that expired since cannot be used any more
        if b then after[b + B_CREDITED] = after[b + B_CREDITED] + parts[i + 1] end
        if paid[i + 1] > parts[i + 1] then
            kept[#kept + 1] = paid[i]
            kept[#kept + 1] = paid[i + 1] - parts[i + 1]
        end
    end
    return kept
end

-- Fills in the levels of the target. False if the request was about another chain, or an account of it is gone.
local function enter_levels()
    if #target[LEVELS] ~= #above then return false end
    for n = 1, #above do
        local book = target[LEVELS][n]
        local other = read_account(KEYS[6 + 2 * n])
        if book[S_ACCOUNT] ~= above[n] or not other then return false end
        levels[n + 1] = {
            a = other, s = book, billing = book[TIE], key = KEYS[6 + 2 * n], entries = KEYS[7 + 2 * n], a_name = above[n],
        }
    end
    levels[1].s = target
    for n = 1, #levels do levels[n].old = copy(levels[n].a) end
    return true
end

-- Units that were debited and not given back.
local function refundable_of(book)
    local used, provisional = 0, 0
    for i = FIRST_KEY, #book do
        used = used + book[i][USED]
        if book[i][PROVISIONAL] then provisional = provisional + units_held(book[i]) end
    end
    return used + provisional - (book[REFUNDED] or 0), used
end

-- The part of a level; nothing if there is no such part.
local function part_of(book, units)
    if units == refundable_of(book) then
        return { last = true, money = book[SPENT], parts = book[PAID], bonus = book[BONUS_PAID] }
    end
    if units <= 0 or units > refundable_of(book) or #book ~= FIRST_KEY or book[FIRST_KEY][PROVISIONAL] then return end
    local money, parts, bonus = share(book[SPENT], book[PAID], book[BONUS_PAID], units, (refundable_of(book)))
    return { last = false, money = money, parts = parts, bonus = bonus }
end

local function give_back()
    local nothing = { 'refunded', false, 0, false, 0 }
    if not target or not same_owner(target, ACCOUNT, DOOR) or target[STATE] == 'open' or not enter_levels() then
        return nothing
    end
    local given_back, paid = target[REFUNDED] and true or false, false
    for n = 1, #levels do
        local book = levels[n].s
        paid = paid or book[SPENT] ~= 0 or #book[PAID] > 0 or #book[BONUS_PAID] > 0
    end
    if not paid then return { 'refunded', given_back, 0, given_back, 0 } end
    local units = UNITS or refundable_of(target)
    for n = 1, #levels do
        local level = levels[n]
        level.part = part_of(level.s, units)
        if not level.part then return nothing end
        local after = copy(level.a)
        after[CREDITED] = after[CREDITED] + level.part.money
        level.kept = credit_parts(after, level.s[PAID], level.part.parts)
        level.kept_bonus = credit_parts(after, level.s[BONUS_PAID], level.part.bonus)
        if not pcall(check_range, after) then return nothing end
        level.after = after
    end
    for n = 1, #levels do
        local level = levels[n]
        local book, part = level.s, level.part
        local _, used = refundable_of(book)
        level.a = level.after
        book[SPENT], book[PAID], book[BONUS_PAID] = book[SPENT] - part.money, level.kept, level.kept_bonus
        book[REFUNDED] = part.last and used or (book[REFUNDED] or 0) + units
        for i = FIRST_KEY, #book do
            book[i][K_SPENT] = part.last and 0 or book[i][K_SPENT] - part.money
            -- A provisional debit is given back with the rest and must not be reversed as well.
            if part.last then forget(book[i]) end
        end
    end
    return { 'refunded', true, payer_of(levels).part.money, false, units }
end

local answer = cmsgpack.pack(give_back())
local before, record, dropped = keep_answer(own, OPERATION, FINGERPRINT, SEQUENCE, answer)
local packed_own, packed_target = cmsgpack.pack(own), target and not same and cmsgpack.pack(target)

-- From here on only writes.
if levels[1].after then
    local changed = book_all(levels, NOW, OPERATION, 'refund', DOOR, SESSION, TARGET, KEYS[4], KEYS[3])
    for n = 1, #levels do
        if changed[n] then redis.call('SET', levels[n].key, cmsgpack.pack(levels[n].a)) end
    end
end
if packed_target then redis.call('SET', KEYS[6], packed_target, 'KEEPTTL') end
write_earlier(KEYS[7], before, record, dropped)
if own[STATE] == 'open' then
    redis.call('SET', KEYS[5], packed_own)
else
    write_ended(KEYS[5], KEYS[7], packed_own, own[ANSWERED], WINDOW)
end
return '0' .. answer

#!lua
-- refund: gives back what a session that has ended debited, or a part of it, to the same buckets, once.
-- uses: numbers price account outbox session meters holdings
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 the refund's own session  6 the target (may be the same)
--       7 the own session's earlier answers
-- ARGV  1 packed: account, session, operation, fingerprint, target, door, now, window (ms), sequence or -1, units or false
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
local old = copy(a)

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
    local each, part = div(a, c), fmod(a, c)
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

local function give_back()
    if not target or not same_owner(target, ACCOUNT, DOOR) or target[STATE] == 'open' then
        return { 'refunded', false, 0, false, 0 }
    end
    local paid, bonus, amount = target[PAID], target[BONUS_PAID], target[SPENT]
    local given_back = target[REFUNDED] and true or false
    if amount == 0 and #paid == 0 and #bonus == 0 then return { 'refunded', given_back, 0, given_back, 0 } end
    local used, provisional = 0, 0
    for i = FIRST_KEY, #target do
        used = used + target[i][USED]
        if target[i][PROVISIONAL] then provisional = provisional + units_held(target[i]) end
    end
    local refundable = used + provisional - (target[REFUNDED] or 0)
    local units = UNITS or refundable
    local last = units == refundable
    local parts, bonus_parts = paid, bonus
    if not last then
        if units <= 0 or units > refundable or #target ~= FIRST_KEY or target[FIRST_KEY][PROVISIONAL] then
            return { 'refunded', false, 0, false, 0 }
        end
        amount, parts, bonus_parts = share(amount, paid, bonus, units, refundable)
    end
    local after = copy(a)
    after[CREDITED] = after[CREDITED] + amount
    local kept, kept_bonus = credit_parts(after, paid, parts), credit_parts(after, bonus, bonus_parts)
    if not pcall(check_range, after) then return { 'refunded', false, 0, false, 0 } end
    a = after
    target[SPENT], target[PAID], target[BONUS_PAID] = target[SPENT] - amount, kept, kept_bonus
    target[REFUNDED] = last and used or (target[REFUNDED] or 0) + units
    for i = FIRST_KEY, #target do
        target[i][K_SPENT] = last and 0 or target[i][K_SPENT] - amount
        -- A provisional debit is given back with the rest and must not be reversed as well.
        if last then forget(target[i]) end
    end
    return { 'refunded', true, amount, false, units }
end

local answer = cmsgpack.pack(give_back())
local before, record, dropped = keep_answer(own, OPERATION, FINGERPRINT, SEQUENCE, answer)
local packed_own, packed_target = cmsgpack.pack(own), target and not same and cmsgpack.pack(target)

-- From here on only writes.
if book(a, old, { NOW, ACCOUNT, OPERATION, 'refund', DOOR, SESSION, TARGET }, KEYS[4], KEYS[3], KEYS[2]) then
    redis.call('SET', KEYS[1], cmsgpack.pack(a))
end
if packed_target then redis.call('SET', KEYS[6], packed_target, 'KEEPTTL') end
write_earlier(KEYS[7], before, record, dropped)
if own[STATE] == 'open' then
    redis.call('SET', KEYS[5], packed_own)
else
    write_ended(KEYS[5], KEYS[7], packed_own, own[ANSWERED], WINDOW)
end
return '0' .. answer

#!lua
-- refund: gives back what a session that has ended debited, to the same buckets, once.
-- uses: numbers price account outbox session holdings
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

local function give_back()
    if not target or not same_owner(target, ACCOUNT, DOOR) or target[STATE] == 'open' then
        return { 'refunded', false, 0, false, 0 }
    end
    local paid, amount = target[PAID], target[SPENT]
    local given_back = target[REFUNDED] and true or false
    if amount == 0 and #paid == 0 then return { 'refunded', given_back, 0, given_back, 0 } end
    local used, provisional = 0, 0
    for i = FIRST_KEY, #target do
        used = used + target[i][USED]
        if target[i][PROVISIONAL] then provisional = provisional + units_held(target[i]) end
    end
    local units = used + provisional - (target[REFUNDED] or 0)
    if UNITS and UNITS ~= units then return { 'refunded', false, 0, false, 0 } end
    local after = copy(a)
    after[CREDITED] = after[CREDITED] + amount
    for i = 1, #paid, 2 do
        local b = find_bucket(after, paid[i]) -- one that expired since cannot be used any more
        if b then after[b + B_CREDITED] = after[b + B_CREDITED] + paid[i + 1] end
    end
    if not pcall(check_range, after) then return { 'refunded', false, 0, false, 0 } end
    a = after
    target[SPENT], target[PAID], target[REFUNDED] = 0, {}, used
    for i = FIRST_KEY, #target do
        target[i][K_SPENT] = 0
        forget(target[i]) -- a provisional debit is given back with the rest and must not be reversed as well
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

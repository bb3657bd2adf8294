-- The session, packed as one flat array: 14 fields of header, the answers (operation, fingerprint, packed answer), what
-- buckets paid (bucket, units), and the keys (10 fields and their parts). See read_session for the order.

local ANSWERS = 16 -- kept for replay; the opening's is never dropped

local function read_session(key)
    local packed = redis.call('GET', key)
    if not packed then return false end
    local f = cmsgpack.unpack(packed)
    local s = {
        account = f[1], door = f[2], state = f[3], opened_at = f[4], updated_at = f[5], deadline = f[6],
        lapse = f[7], spent = f[8], refunded = f[9], context = f[10], opening = f[11],
        answers = {}, paid = {}, keys = {},
    }
    local at = 14
    for i = 1, f[12] * 3 do s.answers[i] = f[at + i] end
    at = at + f[12] * 3
    for i = 1, f[13] * 2 do s.paid[i] = f[at + i] end
    at = at + f[13] * 2
    for i = 1, f[14] do
        local k = {
            key = f[at + 1], unit = f[at + 2], quote = f[at + 3], used = f[at + 4], paid_units = f[at + 5],
            spent = f[at + 6], money_units = f[at + 7], cost = f[at + 8], provisional = f[at + 9], parts = {},
        }
        local n = f[at + 10] * 2
        at = at + 10
        for j = 1, n do k.parts[j] = f[at + j] end
        at = at + n
        s.keys[i] = k
    end
    return s
end

local function pack_session(s)
    local f = {
        s.account, s.door, s.state, s.opened_at, s.updated_at, s.deadline, s.lapse, s.spent, s.refunded, s.context,
        s.opening, #s.answers / 3, #s.paid / 2, #s.keys,
    }
    local n = 14
    for i = 1, #s.answers do f[n + i] = s.answers[i] end
    n = n + #s.answers
    for i = 1, #s.paid do f[n + i] = s.paid[i] end
    n = n + #s.paid
    for i = 1, #s.keys do
        local k = s.keys[i]
        local parts = k.parts
        f[n + 1], f[n + 2], f[n + 3], f[n + 4], f[n + 5] = k.key, k.unit, k.quote, k.used, k.paid_units
        f[n + 6], f[n + 7], f[n + 8], f[n + 9], f[n + 10] = k.spent, k.money_units, k.cost, k.provisional, #parts / 2
        n = n + 10
        for j = 1, #parts do f[n + j] = parts[j] end
        n = n + #parts
    end
    return cmsgpack.pack(f)
end

local function new_session(account, door, state, now, deadline)
    return {
        account = account, door = door, state = state, opened_at = now, updated_at = now, deadline = deadline,
        lapse = 'release', spent = 0, refunded = false, context = '', opening = '',
        answers = {}, paid = {}, keys = {},
    }
end

local function find_answer(s, operation)
    for i = 1, #s.answers, 3 do
        if s.answers[i] == operation then return i end
    end
end

local function keep_answer(s, operation, fingerprint, answer)
    local answers = s.answers
    local n = #answers
    answers[n + 1], answers[n + 2], answers[n + 3] = operation, fingerprint, answer
    if n >= ANSWERS * 3 then
        local oldest = answers[1] == s.opening and 4 or 1
        for _ = 1, 3 do table.remove(answers, oldest) end
    end
end

local function new_key(key, unit, quote)
    return {
        key = key, unit = unit, quote = quote, used = 0, paid_units = 0, spent = 0,
        money_units = 0, cost = 0, provisional = false, parts = {},
    }
end

local function find_key(s, key)
    for i = 1, #s.keys do
        if s.keys[i].key == key then return s.keys[i] end
    end
end

-- Counts what a bucket paid in this session, for a refund.
local function pay(s, bucket, units)
    local paid = s.paid
    for i = 1, #paid, 2 do
        if paid[i] == bucket then
            paid[i + 1] = paid[i + 1] + units
            return
        end
    end
    paid[#paid + 1] = bucket
    paid[#paid + 1] = units
end

local function forget(k)
    k.parts, k.money_units, k.cost, k.provisional = {}, 0, 0, false
end

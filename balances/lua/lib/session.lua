-- The session, packed as one flat array: 15 fields of header, what buckets paid (bucket, units), and the keys (10 fields
-- and their parts); see read_session for the order. The answers are one string, because a request reads none of them
-- unless it is a repeat: for each, the lengths of answer (4 octets), fingerprint and operation (2 each), then operation,
-- fingerprint, answer.

local ANSWERS = 16 -- kept for replay; the opening's is never dropped

local function read_session(key)
    local packed = redis.call('GET', key)
    if not packed then return false end
    local f = cmsgpack.unpack(packed)
    local s = {
        account = f[1], door = f[2], state = f[3], opened_at = f[4], updated_at = f[5], deadline = f[6],
        lapse = f[7], spent = f[8], refunded = f[9], context = f[10], opening = f[11],
        answered = f[12], answers = f[13], paid = {}, keys = {},
    }
    local at = 15
    for i = 1, f[14] * 2 do s.paid[i] = f[at + i] end
    at = at + f[14] * 2
    for i = 1, f[15] do
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
        s.opening, s.answered, s.answers, #s.paid / 2, #s.keys,
    }
    local n = 15
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
        answered = 0, answers = '', paid = {}, keys = {},
    }
end

-- Returns fingerprint and packed answer of an operation of this session, or nothing.
local function find_answer(s, operation)
    local answers = s.answers
    if not string.find(answers, struct.pack('>H', #operation) .. operation, 1, true) then return end
    local at = 1
    while at <= #answers do
        local answer, fingerprint, name = struct.unpack('>IHH', answers, at)
        at = at + 8
        if string.sub(answers, at, at + name - 1) == operation then
            at = at + name
            local stop = at + fingerprint
            return string.sub(answers, at, stop - 1), string.sub(answers, stop, stop + answer - 1)
        end
        at = at + name + fingerprint + answer
    end
end

-- Adds an answer and drops the oldest that is one too many and not the opening's.
local function keep_answer(s, operation, fingerprint, answer)
    local kept, first, from = s.answers, '', 1
    local new = struct.pack('>IHH', #answer, #fingerprint, #operation) .. operation .. fingerprint .. answer
    if s.answered < ANSWERS then
        s.answered = s.answered + 1
        s.answers = kept .. new
        return
    end
    local size, print, name = struct.unpack('>IHH', kept, 1)
    if string.sub(kept, 9, 8 + name) == s.opening then
        from = 9 + name + print + size
        first = string.sub(kept, 1, from - 1)
        size, print, name = struct.unpack('>IHH', kept, from)
    end
    s.answers = first .. string.sub(kept, from + 8 + name + print + size) .. new
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

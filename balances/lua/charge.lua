#!lua
-- charge: one credit-control request, exactly once; the table of phases and states is in charges.py.
--   replay? -> terms current? -> settle -> release -> reserve anew -> deadline -> entry -> remember the answer
-- Everything is read, computed and checked before the first write.
-- uses: numbers price account outbox session holdings
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 due  6 session  7 the account's open sessions
-- ARGV  1 packed: account, version, session, operation, fingerprint, phase, door, now, deadline, lapse, empty,
--         context or false, cause, window (ms), number of uses; then for each use: key, unit, used, total or -1, wanted,
--         least, packed quote or "", denied or false
-- Output  "0", or "1" for a replay, "2" for a replay to other content; then the packed answer: verdict, spent,
--         available; for each grant: key, granted, cost, settled, final 0/1, refused or "", terms
-- Errors  none of its own

local r = cmsgpack.unpack(ARGV[1])
local ACCOUNT, TERMS, SESSION, OPERATION, FINGERPRINT, PHASE, DOOR = r[1], r[2], r[3], r[4], r[5], r[6], r[7]
local NOW, DUE, LAPSE, EMPTY, CONTEXT, CAUSE, WINDOW = r[8], r[9], r[10], r[11], r[12], r[13], r[14]
local USES = r[15]
local KEY, USE_UNIT, USED, TOTAL, WANTED, LEAST, QUOTE, DENIED = 8, 9, 10, 11, 12, 13, 14, 15 -- + 8 * use

local function say(verdict, spent, left)
    return '0' .. cmsgpack.pack({ verdict, spent, left })
end

local a = read_account(KEYS[1])
if not a then return say('no-account', 0, 0) end
local s = read_session(KEYS[6])
if s then
    if s.account ~= ACCOUNT then return say('other-account', 0, 0) end
    local print, known = find_answer(s, OPERATION)
    if known then return (print == FINGERPRINT and '1' or '2') .. known end
end
if a[VERSION] ~= TERMS then return say('stale', 0, available(a)) end

local was_open, was_due = s and s.state == 'open', s and s.deadline
local old = copy(a)
local cause = CAUSE ~= '' and CAUSE or PHASE
local grants = {}

local function grant(at, key, granted, due, settled, final, refused)
    local n = #grants
    grants[n + 1], grants[n + 2], grants[n + 3], grants[n + 4] = r[at + KEY], granted, due, settled
    grants[n + 5], grants[n + 6] = final and 1 or 0, refused or ''
    grants[n + 7] = key and quote_of(key)[1] or ''
end

-- Why nothing is granted whatever the balance.
local function refusal(at, key)
    if r[at + DENIED] then return r[at + DENIED] end
    if not key then return 'unquoted' end
    return r[at + WANTED] > 0 and a[STATUS] ~= 'active' and a[STATUS]
end

local function offer(at, key, settled)
    if key and r[at + QUOTE] ~= '' and key.quote ~= r[at + QUOTE] then
        key.quote, key.q = r[at + QUOTE], nil -- what is used from here on is priced anew
    end
    local refused = refusal(at, key)
    if refused or r[at + WANTED] == 0 then return grant(at, key, 0, 0, settled, false, refused) end
    local units, due, final = reserve(a, key, r[at + USE_UNIT], r[at + WANTED], r[at + LEAST], NOW)
    if not units then return grant(at, key, 0, 0, settled, false, 'insufficient-credit') end
    grant(at, key, units, due, settled, final, false)
end

local function reverse_late(mentioned)
    local late = {}
    for i = 1, #s.keys do
        local k = s.keys[i]
        if k.provisional and (PHASE == 'close' and USES > 0 or mentioned[k]) then
            reverse(a, s, k)
            late[#late + 1] = k
            cause = 'reversal'
        end
    end
    return late
end

local function settle_and_reserve()
    local keys, mentioned, due, excess = {}, {}, {}, {}
    for i = 1, USES do
        local at = i * 8
        local k = find_key(s, r[at + KEY])
        if not k and r[at + QUOTE] ~= '' then
            k = new_key(r[at + KEY], r[at + USE_UNIT], r[at + QUOTE])
            s.keys[#s.keys + 1] = k
        end
        keys[i] = k or false
        if k then mentioned[k] = true end
    end
    local late = s.state == 'lapsed' and reverse_late(mentioned) or {}
    for i = 1, USES do
        due[i], excess[i] = 0, 0
        if keys[i] then due[i], excess[i] = settle_held(a, s, keys[i], r[i * 8 + USED], r[i * 8 + TOTAL]) end
    end
    for i = 1, USES do
        if keys[i] then release(a, keys[i]) end
    end
    for i = 1, #late do release(a, late[i]) end
    local sum = 0
    for i = 1, USES do
        local k = keys[i]
        if k then
            due[i] = due[i] + settle_excess(a, s, k, excess[i], NOW)
            k.spent = k.spent + due[i]
            sum = sum + due[i]
        end
    end
    if sum >= LIMIT then error(RANGE) end
    debit(a, sum)
    s.spent = s.spent + sum
    local reserving = PHASE ~= 'close' and s.state == 'open'
    for i = 1, USES do
        local at = i * 8
        if reserving then
            offer(at, keys[i], due[i])
        else
            grant(at, keys[i], 0, 0, due[i], false, not keys[i] and (r[at + DENIED] or 'unquoted'))
        end
    end
end

local function renew()
    s.lapse, s.deadline = LAPSE, DUE
    if CONTEXT then s.context = CONTEXT end
end

local function open()
    local before = s
    s = new_session(ACCOUNT, DOOR, 'open', NOW, DUE)
    if before then s.answered, s.answers = before.answered, before.answers end
    renew()
    settle_and_reserve()
    local wanted, got = false, false
    for i = 1, USES do
        wanted = wanted or r[i * 8 + WANTED] > 0
        got = got or grants[i * 7 - 5] > 0
    end
    for i = 1, #s.keys do got = got or s.keys[i].used > 0 end
    if EMPTY == 'refuse' and wanted and not got then
        s.state, s.keys = 'closed', {}
        return 'refused'
    end
    return 'done'
end

local function update()
    local verdict = s.state == 'open' and 'done' or 'lapsed-session'
    if s.state == 'open' then renew() end
    settle_and_reserve()
    if PHASE == 'close' then
        for i = 1, #s.keys do
            if s.keys[i].provisional then forget(s.keys[i]) else release(a, s.keys[i]) end
        end
        s.state = 'closed'
    end
    return verdict
end

-- Debits what is wanted, all uses or none. Each is reserved under a key of its own: an event is priced by itself.
local function event()
    s = s or new_session(ACCOUNT, DOOR, 'closed', NOW, DUE)
    local keys, reason = {}, false
    for i = 1, USES do
        local at = i * 8
        local k = r[at + QUOTE] ~= '' and new_key(r[at + KEY], r[at + USE_UNIT], r[at + QUOTE])
        local refused = refusal(at, k)
        local units, due, final = 0, 0, false
        if not refused and r[at + WANTED] > 0 then
            units, due, final = reserve(a, k, r[at + USE_UNIT], r[at + WANTED], r[at + WANTED], NOW)
            if units then keys[#keys + 1] = k else refused = 'insufficient-credit' end
        end
        reason = reason or refused
        if refused then units, due, final = 0, 0, false end
        grant(at, k, units, due, 0, final, refused)
    end
    for i = 1, #keys do
        local k = keys[i]
        if reason then
            release(a, k)
        else
            local units = units_held(k)
            debit_held(a, s, k)
            local known = find_key(s, k.key)
            if not known then
                known = new_key(k.key, k.unit, k.quote)
                s.keys[#s.keys + 1] = known
            end
            known.used = known.used + units
            known.spent = known.spent + k.spent
            if known.used >= LIMIT then error(RANGE) end
        end
    end
    if not reason then return 'done' end
    for n = 1, #grants, 7 do
        grants[n + 1], grants[n + 2], grants[n + 4] = 0, 0, 0
        if grants[n + 5] == '' then grants[n + 5] = reason end
    end
    return 'refused'
end

local function check_request()
    if NOW < 0 or NOW >= LIMIT or DUE < 0 or DUE >= LIMIT then error(RANGE) end
    for i = 1, USES do
        local at = i * 8
        local used, total, wanted, least = r[at + USED], r[at + TOTAL], r[at + WANTED], r[at + LEAST]
        if used < 0 or total < -1 or wanted < 0 or least < 0 or used >= LIMIT or total >= LIMIT or wanted >= LIMIT
            or least >= LIMIT then
            error(RANGE)
        end
    end
end

local function apply()
    check_request()
    if PHASE == 'event' then return event() end
    local state = s and s.state
    if PHASE == 'open' and state ~= 'open' then
        if state ~= 'void' then return open() end
        s.state = 'closed'
    elseif not s then
        if PHASE == 'update' then return 'unknown-session' end
        s = new_session(ACCOUNT, DOOR, 'void', NOW, DUE)
        return 'unknown-session'
    end
    if s.state == 'closed' or s.state == 'void' then return 'closed-session' end
    return update()
end

local fine, verdict = pcall(function()
    local said = apply()
    check_range(a)
    return said
end)
if not fine then
    if verdict ~= RANGE then error(verdict) end
    return say('out-of-range', 0, available(old))
end

if not s then return say(verdict, 0, available(a)) end -- never heard of: nothing to remember
local answer = { verdict, s.spent, available(a) }
for i = 1, #grants do answer[i + 3] = grants[i] end
answer = cmsgpack.pack(answer)
s.updated_at = NOW
if s.state == 'open' and not was_open then s.opening = OPERATION end
keep_answer(s, OPERATION, FINGERPRINT, answer)
local packed = pack_session(s)

-- From here on only writes, which cannot fail.
if book(a, old, { NOW, ACCOUNT, OPERATION, cause, DOOR, SESSION, '' }, KEYS[4], KEYS[3], KEYS[2]) then
    redis.call('SET', KEYS[1], cmsgpack.pack(a))
end
if s.state == 'open' then
    redis.call('SET', KEYS[6], packed)
    if not was_open then
        redis.call('ZADD', KEYS[5], digits(s.deadline), 's:' .. SESSION)
        redis.call('SADD', KEYS[7], SESSION)
    elseif s.deadline < was_due then
        redis.call('ZADD', KEYS[5], 'LT', digits(s.deadline), 's:' .. SESSION)
    end
else
    redis.call('SET', KEYS[6], packed, 'PX', digits(WINDOW))
    if was_open then
        redis.call('ZREM', KEYS[5], 's:' .. SESSION)
        redis.call('SREM', KEYS[7], SESSION)
    end
end
return '0' .. answer

#!lua
-- charge: one credit-control request, exactly once; the table of phases and states is in charges.py.
--   replay? -> terms current? -> settle -> release -> reserve anew -> deadline -> entry -> remember the answer
-- Everything is read, computed and checked before the first write.
-- uses: numbers price account outbox session meters holdings
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 due  6 session  7 the account's open sessions
--       8 the session's earlier answers
-- ARGV  1 packed: account, version, session, operation, fingerprint, phase, door, now, deadline, lapse, empty,
--         context or false, cause, window (ms), sequence or -1, number of uses; then for each use: key, unit, used,
--         total or -1, wanted, least, packed quote or "", denied or false
--       2 reference of the ledger entry, or ""
-- Output  "0", or "1" for a replay, "2" for a replay to other content; then the packed answer: verdict, spent,
--         available, names of meters that warn or false; for each grant: key, granted, cost, settled, final 0/1,
--         refused or "", terms, ms until a bucket that pays ends or -1
-- Errors  none of its own

local r = cmsgpack.unpack(ARGV[1])
local ACCOUNT, TERMS, SESSION, OPERATION, FINGERPRINT, PHASE, DOOR = r[1], r[2], r[3], r[4], r[5], r[6], r[7]
local NOW, DUE, LAPSE, EMPTY, CONTEXT, CAUSE, WINDOW = r[8], r[9], r[10], r[11], r[12], r[13], r[14]
local SEQUENCE, USES = r[15], r[16]
local U_KEY, U_UNIT, U_USED, U_TOTAL, U_WANTED, U_LEAST, U_QUOTE, U_DENIED = 9, 10, 11, 12, 13, 14, 15, 16 -- + 8 * use

local function say(verdict, spent, left)
    return '0' .. cmsgpack.pack({ verdict, spent, left, false })
end

local a = read_account(KEYS[1])
if not a then return say('no-account', 0, 0) end
local s = read_session(KEYS[6])
if s then
    if not same_owner(s, ACCOUNT, DOOR) then return say('other-account', 0, 0) end
    local print, known = find_answer(s, KEYS[8], OPERATION)
    if known then return (print == FINGERPRINT and '1' or '2') .. known end
    if may_have_dropped(s, SEQUENCE) then return say('forgotten', 0, available(a)) end
end
if a[VERSION] ~= TERMS then return say('stale', 0, available(a)) end

local was_open, was_due = s and s[STATE] == 'open', s and s[DEADLINE]
local old = copy(a)
local ends = PHASE == 'close' and 'closed' or PHASE == 'lapse' and 'lapsed' -- how, if the phase ends the session
local cause = CAUSE ~= '' and CAUSE or PHASE
local grants = {}

local function grant(at, granted, due, settled, final, ends, terms)
    local n = #grants
    grants[n + 1], grants[n + 2], grants[n + 3], grants[n + 4] = r[at + U_KEY], granted, due, settled
    grants[n + 5], grants[n + 6], grants[n + 7], grants[n + 8] = final and 1 or 0, '', terms, ends
end

local function grant_nothing(at, key, settled, refused)
    grant(at, 0, 0, settled, false, -1, key and quote_of(key)[1] or '')
    grants[#grants - 2] = refused or ''
end

-- Why the session has no such key.
local function unsettled(at)
    return r[at + U_QUOTE] ~= '' and 'too-many-keys' or r[at + U_DENIED] or 'unquoted'
end

-- Why nothing is granted whatever the balance.
local function refusal(at, key)
    if not key then return unsettled(at) end
    if r[at + U_DENIED] then return r[at + U_DENIED] end
    if not meters_known(a, quote_of(key).meters) then return 'too-many-keys' end
    return r[at + U_WANTED] > 0 and a[STATUS] ~= 'active' and a[STATUS]
end

local function offer(at, key, settled)
    if key and r[at + U_QUOTE] ~= '' and key[QUOTE] ~= r[at + U_QUOTE] and units_held(key) == 0 then
        key[QUOTE] = r[at + U_QUOTE] -- what is used from here on is priced anew; a key named twice holds under its first
    end
    local refused = refusal(at, key)
    if refused or r[at + U_WANTED] == 0 then return grant_nothing(at, key, settled, refused) end
    local units, due, final, ends, terms = reserve(a, key, r[at + U_UNIT], r[at + U_WANTED], r[at + U_LEAST], NOW)
    if not units then return grant_nothing(at, key, settled, due) end
    grant(at, units, due, settled, final, ends, terms)
end

-- Takes back what was debited when the session lapsed, for the keys that report now; a last report is of all keys.
local function reverse_late(keys)
    local late, mentioned = {}, {}
    for i = 1, USES do
        if keys[i] then mentioned[keys[i]] = true end
    end
    for i = FIRST_KEY, #s do
        local k = s[i]
        if k[PROVISIONAL] and (PHASE == 'close' and USES > 0 or mentioned[k]) then
            reverse(a, s, k)
            late[#late + 1] = k
            cause = 'reversal'
        end
    end
    return late
end

local function settle_and_reserve()
    local keys, due, excess = {}, {}, {}
    for i = 1, USES do
        local at = i * 8
        local k = find_key(s, r[at + U_KEY])
        if not k and r[at + U_QUOTE] ~= '' and #s - FIRST_KEY + 1 < MOST_KEYS then
            k = new_key(r[at + U_KEY], r[at + U_UNIT], r[at + U_QUOTE])
            s[#s + 1] = k
        end
        if r[at + U_QUOTE] ~= '' then enter_meters(a, read_once(r[at + U_QUOTE]).meters, NOW) end
        keys[i] = k or false
    end
    local late = s[STATE] == 'lapsed' and reverse_late(keys)
    for i = 1, USES do
        due[i], excess[i] = 0, 0
        if keys[i] then due[i], excess[i] = settle_held(a, s, keys[i], r[i * 8 + U_USED], r[i * 8 + U_TOTAL]) end
    end
    for i = 1, USES do
        if keys[i] then release(a, keys[i]) end
    end
    for i = 1, late and #late or 0 do release(a, late[i]) end
    local sum = 0
    for i = 1, USES do
        local k = keys[i]
        if k then
            due[i] = due[i] + settle_excess(a, s, k, excess[i], NOW)
            k[K_SPENT] = k[K_SPENT] + due[i]
            sum = sum + due[i]
        end
    end
    if sum >= LIMIT then error(RANGE) end
    debit(a, sum)
    s[SPENT] = s[SPENT] + sum
    local reserving = not ends and s[STATE] == 'open'
    for i = 1, USES do
        local at = i * 8
        if reserving then
            offer(at, keys[i], due[i])
        else
            grant_nothing(at, keys[i], due[i], not keys[i] and unsettled(at))
        end
    end
end

local function renew()
    s[ON_LAPSE], s[DEADLINE] = LAPSE, DUE
    if CONTEXT then s[S_CONTEXT] = CONTEXT end
end

local function open()
    local before = s
    s = new_session(ACCOUNT, DOOR, 'open', NOW, DUE)
    if before then
        for i = LAST, FORGOTTEN do s[i] = before[i] end
    end
    renew()
    settle_and_reserve()
    local wanted, got = false, false
    for i = 1, USES do
        wanted = wanted or r[i * 8 + U_WANTED] > 0
        got = got or grants[i * 8 - 6] > 0
    end
    for i = FIRST_KEY, #s do got = got or s[i][USED] > 0 end
    if EMPTY == 'refuse' and wanted and not got then
        s[STATE] = 'closed'
        for i = #s, FIRST_KEY, -1 do s[i] = nil end
        return 'refused'
    end
    return 'done'
end

local function update()
    local verdict = s[STATE] == 'open' and 'done' or 'lapsed-session'
    if s[STATE] == 'open' then renew() end
    settle_and_reserve()
    if ends then
        for i = FIRST_KEY, #s do
            if s[i][PROVISIONAL] then confirm(s[i]) else release(a, s[i]) end
        end
        s[STATE] = ends
    end
    return verdict
end

-- A key for each use of an event; false without quote or room. None of them holds anything yet.
local function event_keys()
    local keys, names, count = {}, {}, #s - FIRST_KEY + 1
    for i = FIRST_KEY, #s do names[s[i][NAME]] = true end
    for i = 1, USES do
        local at = i * 8
        local name = r[at + U_KEY]
        local k = r[at + U_QUOTE] ~= '' and (names[name] or count < MOST_KEYS)
            and new_key(name, r[at + U_UNIT], r[at + U_QUOTE])
        if k then
            if not names[name] then count = count + 1 end
            names[name] = true
            local meters, _, held = quote_of(k).meters, nil, nil
            enter_meters(a, meters, NOW)
            if meters then _, held = axis_of(a, meters) end
            k.elsewhere = held or 0 -- it is never stored
        end
        keys[i] = k
    end
    return keys
end

-- Debits what is wanted, all uses or none. Each is reserved under a key of its own: an event is priced by itself.
local function event()
    s = s or new_session(ACCOUNT, DOOR, 'closed', NOW, DUE)
    local keys, reason, made = {}, false, event_keys()
    for i = 1, USES do
        local at, k = i * 8, made[i]
        local refused = refusal(at, k)
        local units, due, final, ends, terms
        if not refused and r[at + U_WANTED] > 0 then
            units, due, final, ends, terms = reserve(a, k, r[at + U_UNIT], r[at + U_WANTED], r[at + U_WANTED], NOW)
            if units then keys[#keys + 1] = k else refused = due end
        end
        reason = reason or refused
        if units then grant(at, units, due, 0, final, ends, terms) else grant_nothing(at, k, 0, refused) end
    end
    for i = 1, #keys do
        local k = keys[i]
        if reason then
            release(a, k)
        else
            local units = units_held(k)
            debit_held(a, s, k)
            local known = find_key(s, k[NAME])
            if not known then
                known = new_key(k[NAME], k[K_UNIT], k[QUOTE])
                s[#s + 1] = known
            end
            known[USED] = known[USED] + units
            known[K_SPENT] = known[K_SPENT] + k[K_SPENT]
            if known[USED] >= LIMIT then error(RANGE) end
        end
    end
    if not reason then return 'done' end
    for n = 1, #grants, 8 do
        grants[n + 1], grants[n + 2], grants[n + 4], grants[n + 7] = 0, 0, 0, -1
        if grants[n + 5] == '' then grants[n + 5] = reason end
    end
    return 'refused'
end

local function check_request()
    if NOW < 0 or NOW >= LIMIT or DUE < 0 or DUE >= LIMIT then error(RANGE) end
    for i = 1, USES do
        local at = i * 8
        local used, total, wanted, least = r[at + U_USED], r[at + U_TOTAL], r[at + U_WANTED], r[at + U_LEAST]
        if used < 0 or total < -1 or wanted < 0 or least < 0 or used >= LIMIT or total >= LIMIT or wanted >= LIMIT
            or least >= LIMIT then
            error(RANGE)
        end
    end
end

local function apply()
    check_request()
    if PHASE == 'event' then return event() end
    local state = s and s[STATE]
    if PHASE == 'open' and state ~= 'open' then
        if state ~= 'void' then return open() end
        s[STATE] = 'closed'
    elseif not s then
        if PHASE == 'update' then return 'unknown-session' end
        s = new_session(ACCOUNT, DOOR, 'void', NOW, DUE)
        return 'unknown-session'
    end
    if s[STATE] == 'closed' or s[STATE] == 'void' or s[STATE] == ends then return 'closed-session' end
    return update()
end

local first_end -- of the buckets that begin to run
local fine, verdict = pcall(function()
    local said = apply()
    first_end = start_clocks(a, NOW)
    check_range(a)
    return said
end)
if not fine then
    if verdict ~= RANGE then error(verdict) end
    return say('out-of-range', 0, available(old))
end

if not s then return say(verdict, 0, available(a)) end -- never heard of: nothing to remember
local answer = { verdict, s[SPENT], available(a), #warned > 0 and verdict ~= 'refused' and warned }
for i = 1, #grants do answer[i + 4] = grants[i] end
answer = cmsgpack.pack(answer)
s[UPDATED_AT] = NOW
if s[STATE] == 'open' and not was_open then s[OPENING] = OPERATION end
local before, record, dropped = keep_answer(s, OPERATION, FINGERPRINT, SEQUENCE, answer)
local packed = cmsgpack.pack(s)
local metered = seal_meters(a)

-- From here on only writes, which cannot fail.
if book(a, old, { NOW, ACCOUNT, OPERATION, cause, DOOR, SESSION, ARGV[2] }, KEYS[4], KEYS[3], KEYS[2]) or metered then
    redis.call('SET', KEYS[1], cmsgpack.pack(a))
end
if first_end then redis.call('ZADD', KEYS[5], 'LT', digits(first_end), 'a:' .. ACCOUNT) end
write_earlier(KEYS[8], before, record, dropped)
if s[STATE] == 'open' then
    redis.call('SET', KEYS[6], packed)
    if not was_open then
        if s[ANSWERED] > 0 then redis.call('PERSIST', KEYS[8]) end
        redis.call('ZADD', KEYS[5], digits(s[DEADLINE]), 's:' .. SESSION)
        redis.call('SADD', KEYS[7], SESSION)
    elseif s[DEADLINE] < was_due then
        redis.call('ZADD', KEYS[5], 'LT', digits(s[DEADLINE]), 's:' .. SESSION)
    end
else
    write_ended(KEYS[6], KEYS[8], packed, s[ANSWERED], WINDOW)
    if was_open then
        redis.call('ZREM', KEYS[5], 's:' .. SESSION)
        redis.call('SREM', KEYS[7], SESSION)
    end
end
return '0' .. answer

#!lua
-- charge: one credit-control request, exactly once; the table of phases and states is in charges.py.
--   replay? -> terms current? -> settle -> release -> reserve anew -> deadline -> entry -> remember the answer
-- Everything is read, computed and checked before the first write.
-- A function of a library, since it runs with every request: what is defined here is defined once, when it is loaded. So
-- every variable that speaks of a call is set anew at its beginning, in charge() below.
-- uses: numbers price account outbox session meters holdings levels states
--
-- KEYS  1 account  2 its entries  3 outbox  4 house  5 due  6 session  7 the account's open sessions
--       8 the session's earlier answers; for each level up the chain: its account, its entries, its open sessions
-- ARGV  1 packed: account, version, session, operation, fingerprint, phase, door, now, deadline, lapse, empty,
--         context or false, cause, window (ms), sequence or -1, number of uses; then for each use: key, unit, used,
--         total or -1, wanted, least, packed quote or "", denied or false
--       2 reference of the ledger entries, or ""
--       3 packed, if there are levels up the chain, for each: account, version, billing, and for each use: packed quote
--         or "", denied or false; else ""
--       4 packed, if the life of an account may begin with this, for each level: end of validity or -1, end of grace or -1,
--         what the entry says of them; or false, false, false
-- Output  "0", or "1" for a replay, "2" for a replay to other content; then the packed answer: verdict, spent,
--         available, names of meters that warn or false, account up the chain that could not or false; for each grant:
--         key, granted, cost, settled, final 0/1, refused or "", terms, ms until a bucket that pays ends or -1
-- Errors  none of its own

local U_KEY, U_UNIT, U_USED, U_TOTAL, U_WANTED, U_LEAST, U_QUOTE, U_DENIED = 9, 10, 11, 12, 13, 14, 15, 16 -- + 8 * use
local G_GRANTED, G_COST, G_FINAL, G_REFUSED, G_ENDS = 2, 3, 5, 6, 8 -- of a grant in the answer, + 8 * use - 3
local NOTHING = {} -- never changed

-- Of the call:
local r, s, levels, payer -- the request, its session, see levels.lua
local ACCOUNT, DOOR, PHASE, NOW, DUE, LAPSE, EMPTY, CONTEXT, USES
local ends -- how, if the phase ends the session
local cause, answer -- the answer: five fields, then eight for each grant
local short -- the account up the chain for whose sake a use was refused

local function say(verdict, spent, left)
    return '0' .. pack({ verdict, spent, left, false, false })
end

local function quote_at(level, i)
    if level.quotes then return level.quotes[i] end
    return r[i * 8 + U_QUOTE]
end

local function denied_at(level, i)
    if level.denied then return level.denied[i] end
    return r[i * 8 + U_DENIED]
end

local function grant(i, granted, due, settled, final, ends, terms)
    local key, last, n = r[i * 8 + U_KEY], final and 1 or 0, #answer
    if n == 0 then -- a table made whole is quicker than one that grows
        answer = { false, false, false, false, false, key, granted, due, settled, last, '', terms, ends }
        return
    end
    answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = key, granted, due, settled
    answer[n + 5], answer[n + 6], answer[n + 7], answer[n + 8] = last, '', terms, ends
end

local function grant_nothing(i, key, settled, refused)
    grant(i, 0, 0, settled, false, -1, key and quote_of(key)[1] or '')
    answer[#answer - 2] = refused or ''
end

-- Why the session has no such key.
local function unsettled(level, i)
    return quote_at(level, i) ~= '' and 'too-many-keys' or denied_at(level, i) or 'unquoted'
end

-- Why nothing is granted whatever the balance.
local function refusal(level, i, key)
    if not key then return unsettled(level, i) end
    local denied = denied_at(level, i)
    if denied then return denied end
    local q = quote_of(key)
    if not meters_known(level.a, q.meters) then return 'too-many-keys' end
    return r[i * 8 + U_WANTED] > 0 and refused_by_state(level.a, q, level.activation)
end

local function blame(level)
    if level ~= levels[1] then short = short or level.a_name end
end

-- Reserves for a use on all levels, or on none. A key named twice holds under its first quote.
local function offer(i, settled)
    local at, keys = i * 8, { false }
    for n = 1, #levels do
        local key, quote = levels[n].keys[i], quote_at(levels[n], i)
        if key and quote ~= '' and key[QUOTE] ~= quote and units_held(key) == 0 then
            key[QUOTE] = quote -- what is used from here on is priced anew
        end
        keys[n] = key
    end
    local key = payer.keys[i]
    for n = 1, #levels do
        local refused = refusal(levels[n], i, keys[n])
        if refused then
            blame(levels[n])
            return grant_nothing(i, key, settled, refused)
        end
    end
    if r[at + U_WANTED] == 0 then return grant_nothing(i, key, settled) end
    local units, due, final, ends, terms =
        reserve_on_all(levels, keys, r[at + U_UNIT], r[at + U_WANTED], r[at + U_LEAST], NOW)
    if not units then
        blame(final)
        return grant_nothing(i, key, settled, due)
    end
    grant(i, units, due, settled, final, ends, terms)
end

-- Takes back what was debited when the session lapsed, for the keys that report now; a last report is of all keys.
local function reverse_late(level)
    local late, mentioned, book = {}, {}, level.s
    for i = 1, USES do
        if level.keys[i] then mentioned[level.keys[i]] = true end
    end
    for i = FIRST_KEY, #book do
        local k = book[i]
        if k[PROVISIONAL] and (PHASE == 'close' and USES > 0 or mentioned[k]) then
            reverse(level.a, book, k)
            late[#late + 1] = k
            cause = 'reversal'
        end
    end
    return late
end

-- Settles what was used and releases what the keys held. Returns the money due by use.
local function settle(level)
    local a, book, due, excess = level.a, level.s, { 0 }, { 0 } -- with room for one
    level.keys = { false }
    for i = 1, USES do
        local at, quote = i * 8, quote_at(level, i)
        local k = find_key(book, r[at + U_KEY])
        if not k and quote ~= '' and #book - FIRST_KEY + 1 < MOST_KEYS then
            k = new_key(r[at + U_KEY], r[at + U_UNIT], quote)
            book[#book + 1] = k
        end
        if quote ~= '' then enter_meters(a, read_once(quote).meters, NOW) end
        level.keys[i] = k or false
    end
    local keys = level.keys
    local late = s[STATE] == 'lapsed' and reverse_late(level)
    for i = 1, USES do
        due[i], excess[i] = 0, 0
        if keys[i] then due[i], excess[i] = settle_held(a, book, keys[i], r[i * 8 + U_USED], r[i * 8 + U_TOTAL]) end
    end
    for i = 1, USES do
        if keys[i] then release(a, keys[i]) end
    end
    for i = 1, late and #late or 0 do release(a, late[i]) end
    local sum = 0
    for i = 1, USES do
        local k = keys[i]
        if k then
            due[i] = due[i] + settle_excess(a, book, k, excess[i], NOW)
            k[K_SPENT] = k[K_SPENT] + due[i]
            sum = sum + due[i]
        end
    end
    if sum >= LIMIT then error(RANGE) end
    debit(a, sum)
    book[SPENT] = book[SPENT] + sum
    return due
end

-- Only the payer's meters warn.
local function quietly(level, warnings)
    for i = level ~= payer and #warned or 0, warnings + 1, -1 do warned[i] = nil end
end

local function settle_and_reserve()
    local due
    for n = 1, #levels do
        local warnings = #warned
        local owed = settle(levels[n])
        quietly(levels[n], warnings)
        if levels[n] == payer then due = owed end
    end
    local reserving = not ends and s[STATE] == 'open'
    for i = 1, USES do
        if reserving then
            offer(i, due[i])
        else
            grant_nothing(i, payer.keys[i], due[i], not payer.keys[i] and unsettled(payer, i))
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
    enter_books(levels, s)
    settle_and_reserve()
    local wanted, got = false, false
    for i = 1, USES do
        wanted = wanted or r[i * 8 + U_WANTED] > 0
        got = got or answer[i * 8 - 3 + G_GRANTED] > 0
    end
    for i = FIRST_KEY, #s do got = got or s[i][USED] > 0 end
    if EMPTY == 'refuse' and wanted and not got then
        s[STATE] = 'closed'
        for n = 1, #levels do
            local book = levels[n].s
            for i = #book, FIRST_KEY, -1 do book[i] = nil end
        end
        return 'refused'
    end
    return 'done'
end

local function update()
    local verdict = s[STATE] == 'open' and 'done' or 'lapsed-session'
    if s[STATE] == 'open' then renew() end
    settle_and_reserve()
    if ends then
        for n = 1, #levels do
            local a, book = levels[n].a, levels[n].s
            for i = FIRST_KEY, #book do
                if book[i][PROVISIONAL] then confirm(book[i]) else release(a, book[i]) end
            end
        end
        s[STATE] = ends
    end
    return verdict
end

-- A key for each use of an event; false without quote or room. None of them holds anything yet.
local function event_keys(level)
    local keys, names, count = {}, {}, #level.s - FIRST_KEY + 1
    for i = FIRST_KEY, #level.s do names[level.s[i][NAME]] = true end
    for i = 1, USES do
        local name, quote = r[i * 8 + U_KEY], quote_at(level, i)
        local k = quote ~= '' and (names[name] or count < MOST_KEYS) and new_key(name, r[i * 8 + U_UNIT], quote)
        if k then
            if not names[name] then count = count + 1 end
            names[name] = true
            local meters, _, held = quote_of(k).meters, nil, nil
            enter_meters(level.a, meters, NOW)
            if meters then _, held = axis_of(level.a, meters) end
            k.elsewhere = held or 0 -- it is never stored
        end
        keys[i] = k
    end
    return keys
end

-- Reserves all that a use of an event wants on each level. Returns why it cannot, and adds what was reserved.
local function reserve_event(i, reserved)
    local at, first = i * 8, -1
    local granted, due, short_now, terms = 0, 0, false, ''
    for n = 1, #levels do
        local level = levels[n]
        local k = level.keys[i]
        local refused = refusal(level, i, k)
        local units, paid, final, until_end, said
        if not refused and r[at + U_WANTED] > 0 then
            units, paid, final, until_end, said =
                reserve(level.a, k, r[at + U_UNIT], r[at + U_WANTED], r[at + U_WANTED], NOW)
            if not units then refused = paid end
        end
        if refused then
            blame(level)
            grant_nothing(i, payer.keys[i], 0, refused)
            return refused
        end
        if units then
            reserved[#reserved + 1] = { level, k }
            if until_end >= 0 then first = first < 0 and until_end or min(first, until_end) end
            short_now = short_now or final
            if level == payer then granted, due, terms = units, paid, said end
        elseif level == payer then
            terms = quote_of(k)[1]
        end
    end
    grant(i, granted, due, 0, short_now, first, terms)
end

-- Debits what is wanted, all uses on all levels or none. Each is reserved under a key of its own: an event is priced by
-- itself.
local function event()
    s = s or new_session(ACCOUNT, DOOR, 'closed', NOW, DUE)
    enter_books(levels, s)
    local reserved, reason = {}, false
    for n = 1, #levels do levels[n].keys = event_keys(levels[n]) end
    for i = 1, USES do
        local refused = reserve_event(i, reserved)
        reason = reason or refused
    end
    for i = 1, #reserved do
        local level, k = reserved[i][1], reserved[i][2]
        if reason then
            release(level.a, k)
        else
            local units, warnings = units_held(k), #warned
            debit_held(level.a, level.s, k)
            quietly(level, warnings)
            local known = find_key(level.s, k[NAME])
            if not known then
                known = new_key(k[NAME], k[K_UNIT], k[QUOTE])
                level.s[#level.s + 1] = known
            end
            known[USED] = known[USED] + units
            known[K_SPENT] = known[K_SPENT] + k[K_SPENT]
            if known[USED] >= LIMIT then error(RANGE) end
        end
    end
    if not reason then return 'done' end
    for i = 1, USES do
        local at = i * 8 - 3
        answer[at + G_GRANTED], answer[at + G_COST], answer[at + G_FINAL], answer[at + G_ENDS] = 0, 0, 0, -1
        if answer[at + G_REFUSED] == '' then answer[at + G_REFUSED] = reason end
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
        enter_books(levels, s)
        return 'unknown-session'
    end
    enter_books(levels, s)
    if s[STATE] == 'closed' or s[STATE] == 'void' or s[STATE] == ends then return 'closed-session' end
    return update()
end

-- Was anything that is not free granted or used?
local function began()
    for i = 1, USES do
        local at = i * 8
        local key = (answer[at - 3 + G_GRANTED] > 0 or r[at + U_USED] > 0 or r[at + U_TOTAL] > 0) and find_key(payer.s, r[at + U_KEY])
        if key and not is_free(quote_of(key)) then return true end
    end
    return false
end

-- Begins the lives that this charge begins; the levels say so.
local function activate()
    if not began() then return end
    for n = 1, #levels do
        local level = levels[n]
        local begins = level.activation
        if begins and level.a[STATUS] == 'pre-active' then
            level.activated = extend(level.a, begins[1], begins[2])
        end
    end
end

local function decide()
    local said = apply()
    for n = 1, #levels do
        levels[n].begins = start_clocks(levels[n].a, NOW) -- first end of the buckets that begin to run
        check_range(levels[n].a)
    end
    return said
end

-- The levels of the request, their accounts not yet read.
local function levels_of(KEYS, packed)
    local found = { {
        a_name = ACCOUNT, version = r[2], key = KEYS[1], entries = KEYS[2], live = KEYS[7], activation = false,
        a = false, old = false, s = false, keys = false, begins = false, metered = false, activated = false, -- room
    } }
    local above = packed and packed ~= '' and open_packed(packed) or NOTHING
    for at = 1, #above, 3 + 2 * USES do
        local n, quotes, denied = #found, {}, {}
        for i = 1, USES do quotes[i], denied[i] = above[at + 1 + 2 * i], above[at + 2 + 2 * i] end
        found[n + 1] = {
            a_name = above[at], version = above[at + 1], billing = above[at + 2], quotes = quotes, denied = denied,
            key = KEYS[6 + 3 * n], entries = KEYS[7 + 3 * n], live = KEYS[8 + 3 * n],
        }
    end
    return found
end

local function charge(KEYS, ARGV)
    forget_calls()
    r = open_array(ARGV[1])
    ACCOUNT, PHASE, DOOR, NOW, DUE, LAPSE = r[1], r[6], r[7], r[8], r[9], r[10]
    EMPTY, CONTEXT, USES = r[11], r[12], r[16]
    local session, operation, fingerprint, sequence = r[3], r[4], r[5], r[15]
    ends = PHASE == 'close' and 'closed' or PHASE == 'lapse' and 'lapsed'
    cause = r[13] ~= '' and r[13] or PHASE
    answer, short = NOTHING, false
    levels = levels_of(KEYS, ARGV[3])
    payer = payer_of(levels)
    local activations = ARGV[4] and open_packed(ARGV[4]) or NOTHING
    for i = 1, #activations, 3 do
        levels[(i + 2) / 3].activation = activations[i] and { activations[i], activations[i + 1], activations[i + 2] }
    end
    for n = 1, #levels do
        levels[n].a = read_account(levels[n].key)
        if not levels[n].a then return say('no-account', 0, 0) end
    end
    s = read_session(KEYS[6])
    if s then
        if not same_owner(s, ACCOUNT, DOOR) then return say('other-account', 0, 0) end
        local print, known = find_answer(s, KEYS[8], operation)
        if known then return (print == fingerprint and '1' or '2') .. known end
        if may_have_dropped(s, sequence) then return say('forgotten', 0, available(payer.a)) end
        if #s[LEVELS] ~= #levels - 1 then return say('stale', 0, available(payer.a)) end
    end
    for n = 1, #levels do
        if levels[n].a[VERSION] ~= levels[n].version then return say('stale', 0, available(payer.a)) end
        levels[n].old = copy(levels[n].a)
    end
    local was_open, was_due = s and s[STATE] == 'open', s and s[DEADLINE]
    local fine, verdict = pcall(decide)
    if not fine then
        if verdict ~= RANGE then error(verdict) end
        return say('out-of-range', 0, available(payer.old))
    end

    if not s then return say(verdict, 0, available(payer.a)) end -- never heard of: nothing to remember
    if #answer == 0 then answer = {} end
    answer[1], answer[2], answer[3], answer[4], answer[5] = verdict, payer.s[SPENT], available(payer.a),
        #warned > 0 and verdict ~= 'refused' and warned, short
    local said = pack(answer)
    s[UPDATED_AT] = NOW
    if s[STATE] == 'open' and not was_open then s[OPENING] = operation end
    local before, record, dropped = keep_answer(s, operation, fingerprint, sequence, said)
    local packed = pack(s)
    for n = 1, #levels do levels[n].metered = seal_meters(levels[n].a) end
    if #activations > 0 and verdict == 'done' then activate() end

    -- From here on only writes, which cannot fail.
    for n = 1, #activations / 3 do
        local level = levels[n]
        if level.activated then
            local until_ = level.activation[3]
            write_entry({ NOW, level.a_name, operation, level.activated, DOOR, session, until_ }, KEYS[3], level.entries)
            watch_state(level.a, level.a_name, KEYS[5])
        end
    end
    local changed = book_all(levels, NOW, operation, cause, DOOR, session, ARGV[2], KEYS[4], KEYS[3])
    local sets = s[STATE] == 'open' and { 'MSET', KEYS[6], packed } or { 'MSET' } -- one command for all
    for n = 1, #levels do
        local level = levels[n]
        if changed[n] or level.metered or level.activated then
            sets[#sets + 1], sets[#sets + 2] = level.key, pack(level.a)
        end
        if level.begins then call('ZADD', KEYS[5], 'LT', digits(level.begins), 'a:' .. level.a_name) end
    end
    if #sets > 1 then call(unpack(sets)) end
    write_earlier(KEYS[8], before, record, dropped)
    if s[STATE] == 'open' then
        if not was_open then
            if s[ANSWERED] > 0 then call('PERSIST', KEYS[8]) end
            call('ZADD', KEYS[5], digits(s[DEADLINE]), 's:' .. session)
            for n = 1, #levels do call('SADD', levels[n].live, session) end
        elseif s[DEADLINE] < was_due then
            call('ZADD', KEYS[5], 'LT', digits(s[DEADLINE]), 's:' .. session)
        end
    else
        write_ended(KEYS[6], KEYS[8], packed, s[ANSWERED], r[14])
        if was_open then
            call('ZREM', KEYS[5], 's:' .. session)
            for n = 1, #levels do call('SREM', levels[n].live, session) end
        end
    end
    return '0' .. said
end

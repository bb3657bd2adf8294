#!lua
-- expire: looks at what is due in a shard: sessions nobody renewed lapse, expired buckets are written off, accounts whose
-- validity or grace is over move on.
-- An entry in the sorted set may be early, because renewals do not move it; then it is put where it belongs.
-- uses: numbers price account retired outbox session meters holdings levels states
--
-- KEYS  1 due  2 outbox  3 house
-- ARGV  1 packed: now, entries to look at, window (ms), retry (ms); key prefixes: account, its entries, session, live,
--         earlier answers
-- Output  flat list of the lapsed: session, account, door
-- Errors  none of its own

local NOW, LOOKS, WINDOW, RETRY, ACCOUNT, ENTRIES, SESSION, LIVE, ANSWERS = unpack(cmsgpack.unpack(ARGV[1]))
local lapsed = {}

local function lapse(name, id, s)
    local door, account = s[S_DOOR], s[S_ACCOUNT]
    local levels = stored_levels(s, ACCOUNT)
    for n = 1, #levels do
        local a, book = levels[n].a, levels[n].s
        for i = FIRST_KEY, #book do
            local k = book[i]
            if s[ON_LAPSE] == 'release' then
                release(a, k)
            elseif units_held(k) > 0 then
                debit_held(a, book, k)
                k[PROVISIONAL] = true
            end
        end
        levels[n].metered, levels[n].entries = seal_meters(a), ENTRIES .. book[S_ACCOUNT]
    end
    s[STATE], s[UPDATED_AT] = 'lapsed', NOW
    local packed = cmsgpack.pack(s)
    local changed = book_all(levels, NOW, '', 'lapsed', door, id, '', KEYS[3], KEYS[2])
    for n = 1, #levels do
        local level = levels[n]
        if changed[n] or level.metered then redis.call('SET', level.key, cmsgpack.pack(level.a)) end
        redis.call('SREM', LIVE .. level.s[S_ACCOUNT], id)
    end
    write_ended(SESSION .. id, ANSWERS .. id, packed, s[ANSWERED], WINDOW)
    redis.call('ZREM', KEYS[1], name)
    local n = #lapsed
    lapsed[n + 1], lapsed[n + 2], lapsed[n + 3] = id, account, door
end

local function look_at_session(name, id)
    local s = read_session(SESSION .. id)
    if not s or s[STATE] ~= 'open' then
        redis.call('ZREM', KEYS[1], name)
    elseif s[DEADLINE] > NOW then
        redis.call('ZADD', KEYS[1], digits(s[DEADLINE]), name)
    else
        lapse(name, id, s)
    end
end

local function look_at_account(name, id)
    local a = read_account(ACCOUNT .. id)
    if not a then return redis.call('ZREM', KEYS[1], name) end
    local causes = pass_states(a, NOW)
    for i = 1, #causes do write_entry({ NOW, id, '', causes[i], '', '', '' }, KEYS[2], ENTRIES .. id) end
    local old, gone, again = copy(a), {}, nil
    for b = FIRST, #a, STRIDE do
        local expires = a[b + EXPIRES]
        if expires >= 0 and expires <= NOW and a[b + B_RESERVED] == 0 then
            a[b + B_DEBITED] = a[b + B_CREDITED]
            gone[#gone + 1] = b
        elseif expires >= 0 then
            local at = expires <= NOW and NOW + RETRY or expires -- still reserved: look again in a while
            again = again and min(again, at) or at
        end
    end
    book(a, old, { NOW, id, '', 'expired', '', '', '' }, KEYS[3], KEYS[2], ENTRIES .. id)
    if #gone > 0 then retire(a, gone) end
    if #gone + #causes > 0 then redis.call('SET', ACCOUNT .. id, cmsgpack.pack(a)) end
    local state = state_due(a)
    if state >= 0 then again = again and min(again, state) or state end
    if again then
        redis.call('ZADD', KEYS[1], digits(again), name)
    else
        redis.call('ZREM', KEYS[1], name)
    end
end

for _ = 1, LOOKS do
    local name = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', digits(NOW), 'LIMIT', 0, 1)[1]
    if not name then break end
    if string.sub(name, 1, 2) == 's:' then
        look_at_session(name, string.sub(name, 3))
    else
        look_at_account(name, string.sub(name, 3))
    end
end
return lapsed

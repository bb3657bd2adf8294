-- The session: an array of header fields, then one array for each key, in the order in which they came.
-- The last answer is in it. Earlier ones lie beside it in a hash by operation, because no request reads them unless it
-- is a repeat; the session knows their names.

local S_ACCOUNT, S_DOOR, STATE, STARTED_AT, UPDATED_AT, DEADLINE, ON_LAPSE = 1, 2, 3, 4, 5, 6, 7
local SPENT, REFUNDED, S_CONTEXT, PAID = 8, 9, 10, 11 -- REFUNDED: units or false; PAID: array of bucket, units
local OPENING, LAST, LAST_PRINT, LAST_ANSWER, EARLIER, ANSWERED = 12, 13, 14, 15, 16, 17
local LAST_SEQUENCE, FORGOTTEN = 18, 19 -- of the last request, -1 without; the highest whose answer was dropped
local BONUS_PAID = 20 -- array of bucket, bonus money paid
local LEVELS, TIE = 21, 21 -- array of the books of the accounts up the chain; in such a book: how the one below is tied to it
local FIRST_KEY = 22
-- Fields of a key; PARTS: array of bucket, units reserved in it; SHORT: see books.py. BEYOND, mostly absent: the offer
-- whose overage holds or '', the units that have been priced by overage, then bucket, bonus money reserved in it and so on.
local NAME, K_UNIT, QUOTE, USED, PAID_UNITS = 1, 2, 3, 4, 5
local K_SPENT, MONEY_UNITS, COST, PROVISIONAL, PARTS, SHORT, BEYOND = 6, 7, 8, 9, 10, 11, 12

local MOST_KEYS = 256 -- each is read and written with every request
local BESIDE = 255 -- earlier answers kept for replay; the opening's is never dropped

local function read_session(key)
    local packed = call('GET', key)
    return packed and open_array(packed)
end

-- Sessions of two doors may have the same name by chance.
local function same_owner(s, account, door)
    return s[S_ACCOUNT] == account and s[S_DOOR] == door
end

local function new_session(account, door, state, now, deadline)
    return { account, door, state, now, now, deadline, 'release', 0, false, '', {}, '', false, '', '', '', 0, -1, -1, {}, {} }
end

-- EARLIER holds each name after its length, which is written in letters so that no name can look like two; after it the
-- request's sequence and a full stop.
local function tagged(operation)
    return #operation .. ':' .. operation .. ';'
end

-- Returns fingerprint and packed answer of an operation of this session, or nothing.
local function find_answer(s, answers, operation)
    if s[LAST] == operation then return s[LAST_PRINT], s[LAST_ANSWER] end
    if s[ANSWERED] == 0 or not find(s[EARLIER], tagged(operation), 1, true) then return end
    local known = call('HGET', answers, operation)
    if not known then return end -- the name was found inside another
    local gap = find(known, ' ', 1, true)
    return string.sub(known, 1, gap - 1), string.sub(known, gap + 1)
end

-- May an operation that is not known have been answered, and the answer dropped?
local function may_have_dropped(s, sequence)
    return sequence >= 0 and sequence <= s[FORGOTTEN]
end

-- Takes the oldest name that is not the opening's out of EARLIER and returns it.
local function drop_earlier(s)
    local names, at = s[EARLIER], 1
    while true do
        local colon = find(names, ':', at, true)
        local stop = colon + tonumber(string.sub(names, at, colon - 1))
        local name = string.sub(names, colon + 1, stop)
        local full = find(names, '.', stop + 2, true)
        if name ~= s[OPENING] then
            s[EARLIER] = string.sub(names, 1, at - 1) .. string.sub(names, full + 1)
            s[FORGOTTEN] = max(s[FORGOTTEN], tonumber(string.sub(names, stop + 2, full - 1)))
            return name
        end
        at = full + 1
    end
end

-- Makes this the last answer. Returns what has to be written beside: operation and record of the answer that was the
-- last, and the operation to be dropped; nothing for the first answer of all.
local function keep_answer(s, operation, fingerprint, sequence, answer)
    local before, record, dropped = s[LAST], s[LAST_PRINT] .. ' ' .. s[LAST_ANSWER], false
    local number = s[LAST_SEQUENCE]
    s[LAST], s[LAST_PRINT], s[LAST_ANSWER], s[LAST_SEQUENCE] = operation, fingerprint, answer, sequence
    if not before then return end
    s[EARLIER] = s[EARLIER] .. tagged(before) .. digits(number) .. '.'
    if s[ANSWERED] < BESIDE then
        s[ANSWERED] = s[ANSWERED] + 1
    else
        dropped = drop_earlier(s)
    end
    return before, record, dropped
end

-- Writes what keep_answer returned. The answers last as long as the session they belong to.
local function write_earlier(answers, before, record, dropped)
    if before then call('HSET', answers, before, record) end
    if dropped then call('HDEL', answers, dropped) end
end

-- Writes a session that has ended; it goes when its window is over.
local function write_ended(key, answers, packed, kept, window)
    call('SET', key, packed, 'PX', digits(window))
    if kept > 0 then call('PEXPIRE', answers, digits(window)) end
end

local function new_key(name, unit, quote)
    return { name, unit, quote, 0, 0, 0, 0, 0, false, {}, false }
end

local function find_key(s, name)
    for i = FIRST_KEY, #s do
        if s[i][NAME] == name then return s[i] end
    end
end

-- Counts what a bucket paid in this session, for a refund: in PAID or BONUS_PAID.
local function pay(paid, bucket, units)
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
    if #k[PARTS] > 0 then k[PARTS] = {} end
    k[MONEY_UNITS], k[COST], k[PROVISIONAL] = 0, 0, false
    for i = k[BEYOND] and #k[BEYOND] or 0, 3, -1 do k[BEYOND][i] = nil end
end

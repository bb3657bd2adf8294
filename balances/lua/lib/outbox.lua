-- Entries: what changed between two states of an account, mirrored in the house and appended to the outbox.
-- The house and the outbox move in the same script as the account, or the books would not close.

local KEPT = 4096 -- entry ids kept in an account's list

local function add_line(entry, house, bucket, asset, before, credited, debited, reserved, overrun)
    if credited == 0 and debited == 0 and reserved == 0 and overrun == 0 then return end
    local n = #entry
    entry[n + 1], entry[n + 2], entry[n + 3], entry[n + 4] = bucket, asset, credited, debited
    entry[n + 5], entry[n + 6], entry[n + 7] = reserved, overrun, before
    entry[n + 8] = before + credited - debited - reserved
    if credited ~= 0 then call('HINCRBY', house, asset .. ':credited', credited) end
    if debited ~= 0 then call('HINCRBY', house, asset .. ':debited', debited) end
    if reserved ~= 0 then call('HINCRBY', house, asset .. ':reserved', reserved) end
    if overrun ~= 0 then call('HINCRBY', house, asset .. ':overrun', overrun) end
end

local function write_entry(entry, outbox, list)
    local id = call('XADD', outbox, '*', 'e', pack(entry))
    if call('RPUSH', list, id) > KEPT * 2 then call('LTRIM', list, -KEPT, -1) end
    return id
end

-- Writes the entry {at, account, operation, cause, door, session, reference} with its lines; returns its id, or false
-- if no counter changed and no margin was earned. Place: {how far up the chain, margin or false}, or nothing.
local function book(a, old, entry, house, outbox, list, place)
    local head = #entry
    add_line(entry, house, 'money', a[CURRENCY], old[CREDITED] - old[DEBITED] - old[RESERVED],
        a[CREDITED] - old[CREDITED], a[DEBITED] - old[DEBITED], a[RESERVED] - old[RESERVED], a[OVERRUN] - old[OVERRUN])
    for b = FIRST, #a, STRIDE do
        local o = old[b] == a[b] and b or find_bucket(old, a[b])
        local asset, credited, debited, reserved = asset_of(a, b), a[b + B_CREDITED], a[b + B_DEBITED], a[b + B_RESERVED]
        if o then
            add_line(entry, house, a[b], asset, remaining(old, o),
                credited - old[o + B_CREDITED], debited - old[o + B_DEBITED], reserved - old[o + B_RESERVED], 0)
        else
            add_line(entry, house, a[b], asset, 0, credited, debited, reserved, 0)
        end
    end
    local moved = #entry > head or place and place[2] and place[2] ~= 0
    if place then entry[#entry + 1], entry[#entry + 2] = place[1], place[2] end
    return moved and write_entry(entry, outbox, list)
end

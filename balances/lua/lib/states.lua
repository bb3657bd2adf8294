-- States of an account, as in states.py.

local function is_free(q)
    if q.offers or q[2] ~= 0 then return false end
    for step = q.first, q.last, 5 do
        if q[step + 2] ~= 0 then return false end
    end
    return true
end

-- The state for whose sake nothing is granted at this quote, or false. Activation: what a first use makes of the account.
local function refused_by_state(a, q, activation)
    local status = a[STATUS]
    if status == 'active' or (status == 'pre-active' and activation) then return false end
    if (status == 'pre-active' or status == 'grace') and is_free(q) then return false end
    return status
end

-- When the state is to be looked at, or -1.
local function state_due(a)
    if a[STATUS] == 'active' then return a[UNTIL] end
    if a[STATUS] == 'grace' or a[STATUS] == 'suspended' then return a[GRACE_UNTIL] end
    return -1
end

-- Has the reaper look at the account when time will change its state.
local function watch_state(a, name, due)
    local at = state_due(a)
    if at >= 0 then call('ZADD', due, 'LT', digits(at), 'a:' .. name) end
end

-- What a credit that extends the validity, or a first use, makes of the account. Returns the cause of its entry.
local function extend(a, until_, grace_until)
    local cause = a[STATUS] == 'pre-active' and 'activation' or 'extension'
    if a[STATUS] == 'pre-active' or a[STATUS] == 'grace' then a[STATUS] = 'active' end
    a[UNTIL], a[GRACE_UNTIL], a[VERSION] = until_, grace_until, a[VERSION] + 1
    return cause
end

-- What another validity, given by an operator, makes of the state: one that is over by now revives nothing.
local function revive(a, now)
    if a[STATUS] == 'grace' and (a[UNTIL] < 0 or a[UNTIL] > now) then a[STATUS] = 'active' end
end

-- Moves the account on as time has; the causes of its entries.
local function pass_states(a, now)
    local causes = {}
    while state_due(a) >= 0 and state_due(a) <= now do
        local over = a[STATUS] == 'active'
        a[STATUS], a[VERSION] = over and 'grace' or 'closed', a[VERSION] + 1
        causes[#causes + 1] = over and 'expiry' or 'closing'
    end
    return causes
end

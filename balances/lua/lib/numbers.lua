-- Numbers: all are integers below 2^53, where Lua's doubles count exactly. Whatever would reach it raises RANGE, which
-- is always raised before the first write.

local LIMIT = 9007199254740992 -- 2^53
local RANGE = {}
local fmod, min, max = math.fmod, math.min, math.max

-- Floor division of non-negative integers, exact: math.floor(a / b) may round up near 2^53.
local function div(a, b)
    return (a - fmod(a, b)) / b
end

-- Decimal digits for commands that take numbers; tostring(1e15) would be "1e+15", and "-0" is refused.
local function digits(n)
    if n == 0 then return '0' end
    return string.format('%.0f', n)
end

-- Numbers: all are integers below 2^53, where Lua's doubles count exactly. Whatever would reach it raises RANGE, which
-- is always raised before the first write.

local LIMIT = 9007199254740992 -- 2^53
local RANGE = {}

local fmod, format, call, pack, open_packed

-- The libraries of Lua and of the server are out of reach while a function is loaded: it finds them at its first call.
local function find_libraries()
    fmod, format, call, pack, open_packed = math.fmod, string.format, redis.call, cmsgpack.pack, cmsgpack.unpack
end

local function min(a, b) return a < b and a or b end
local function max(a, b) return a > b and a or b end

-- Floor division of non-negative integers, exact: math.floor(a / b) may round up near 2^53.
local function div(a, b)
    return (a - fmod(a, b)) / b
end

-- Decimal digits for commands that take numbers; tostring(1e15) would be "1e+15", and "-0" is refused.
local function digits(n)
    if n == 0 then return '0' end
    return format('%d', n)
end

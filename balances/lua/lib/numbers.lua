-- Numbers: all are integers below 2^53, where Lua's doubles count exactly. Whatever would reach it raises RANGE, which
-- is always raised before the first write.

local LIMIT = 9007199254740992 -- 2^53
local RANGE = {}

local byte, format, call, find, next_of, pack, open_packed, open_from

-- The libraries of Lua and of the server are out of reach while a function is loaded: it finds them at its first call.
local function find_libraries()
    byte, format, find, next_of, call = string.byte, string.format, string.find, next, redis.call
    pack, open_packed, open_from = cmsgpack.pack, cmsgpack.unpack, cmsgpack.unpack_limit
end

local function min(a, b) return a < b and a or b end
local function max(a, b) return a > b and a or b end

-- Floor division of non-negative integers. The remainder is exact: below 2^53 no quotient is so close under an integer that
-- rounding reaches it. The operator costs less than a function of the C library.
local function div(a, b)
    return (a - a % b) / b
end

-- Decimal digits for commands that take numbers; tostring(1e15) would be "1e+15", and "-0" is refused.
local function digits(n)
    if n == 0 then return '0' end
    return format('%d', n)
end

local function gather(_, ...) return { ... } end

-- Reads a packed array. Its fields are read one after another behind its header and become a table made whole, because
-- one that the library makes grows step by step; more of them might not fit on Lua's stack.
local function open_array(packed)
    local first = byte(packed)
    if #packed > 4000 or first > 0xdc or first < 0x91 then return open_packed(packed) end
    return gather(open_from(packed, 4000, first == 0xdc and 3 or 1))
end

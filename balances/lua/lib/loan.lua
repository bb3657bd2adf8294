-- Loans, a flat array: what was lent, the fee, what of both is still to be repaid, when it was taken. There is one, or none.

local OUTSTANDING = 3

local function read_loan(key)
    local packed = redis.call('GET', key)
    return packed and cmsgpack.unpack(packed)
end

local function repay(key, loan, amount)
    loan[OUTSTANDING] = loan[OUTSTANDING] - amount
    if loan[OUTSTANDING] == 0 then redis.call('DEL', key) else redis.call('SET', key, cmsgpack.pack(loan)) end
end

-- Operations: movements and gifts happen once. The record keeps what the request said and what came of it.

-- Returns the answer to a repeat, or nothing if the operation is new.
local function repeated(key, fingerprint)
    local packed = redis.call('GET', key)
    if not packed then return end
    local known = cmsgpack.unpack(packed)
    if known[1] ~= fingerprint then return { 'conflict' } end
    return { 'repeated', known[2], known[3], known[4], known[5] }
end

-- Deducted: of a credit, what repaid a loan; of a transfer, its fee; else nothing.
local function remember(key, fingerprint, entry, account, bucket, window, deducted)
    redis.call('SET', key, cmsgpack.pack({ fingerprint, entry, account, bucket, deducted }), 'PX', digits(window))
    return { 'done', entry, account, bucket, deducted }
end

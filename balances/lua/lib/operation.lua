-- Operations: movements and gifts happen once. The record keeps what the request said and what came of it.

-- Returns the answer to a repeat, or nothing if the operation is new.
local function repeated(key, fingerprint)
    local packed = redis.call('GET', key)
    if not packed then return end
    local known = cmsgpack.unpack(packed)
    if known[1] ~= fingerprint then return { 'conflict' } end
    return { 'repeated', known[2], known[3], known[4] }
end

local function remember(key, fingerprint, entry, account, bucket, window)
    redis.call('SET', key, cmsgpack.pack({ fingerprint, entry, account, bucket }), 'PX', digits(window))
    return { 'done', entry, account, bucket }
end

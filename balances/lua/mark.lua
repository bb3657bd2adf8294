#!lua
-- mark: makes the watches of accounts that have changed due now.
-- uses:
--
-- KEYS  1 due
-- ARGV  1 now (ms)  2 key prefix of an account's watches  3 ... the accounts
-- Output  {"done"}
-- Errors  none of its own

for at = 3, #ARGV do
    for _, id in ipairs(redis.call('ZRANGE', ARGV[2] .. ARGV[at], 0, -1)) do
        redis.call('ZADD', KEYS[1], 'LT', ARGV[1], id)
    end
end
return { 'done' }

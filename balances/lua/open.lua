#!lua
-- open: puts a new account in place.
-- uses:
--
-- KEYS  1 account  2 ids of the accounts
-- ARGV  1 its id  2 the account, packed
-- Output  {"done"}
-- Errors  {"taken"}

if redis.call('EXISTS', KEYS[1]) == 1 then return { 'taken' } end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return { 'done' }

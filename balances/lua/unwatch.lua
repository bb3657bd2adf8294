#!lua
-- unwatch: takes a watch away.
-- uses:
--
-- KEYS  1 watches  2 watches of the account  3 due
-- ARGV  1 its id
-- Output  {"done"}
-- Errors  none of its own: there may be no such watch

redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return { 'done' }

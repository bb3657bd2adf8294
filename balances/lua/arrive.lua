#!lua
-- arrive: a transfer has been credited, so that it is in transit no more.
-- uses:
--
-- KEYS  1 transit  2 carried
-- ARGV  1 name of the transfer  2 its currency  3 its amount
-- Output  {"done"}: it may have been so before
-- Errors  none of its own

if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':arrived', ARGV[3]) end
return { 'done' }

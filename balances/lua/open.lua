#!lua
-- open: puts a new account in place.
-- uses: numbers account states
--
-- KEYS  1 account  2 ids of the accounts  3 due  4 directory entry of the id, where the account lives where its id points
-- ARGV  1 its id  2 the account, packed
-- Output  {"done"}
-- Errors  {"taken"}: there is such an account, or one that lives (or is about to) with its parent in another shard

if redis.call('EXISTS', KEYS[1]) == 1 or (KEYS[4] and redis.call('EXISTS', KEYS[4]) == 1) then return { 'taken' } end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
watch_state(cmsgpack.unpack(ARGV[2]), ARGV[1], KEYS[3])
return { 'done' }

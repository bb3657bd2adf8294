#!lua
-- defer: puts a watch off that nobody can do anything about now.
-- uses:
--
-- KEYS  1 due  2 lease of the watch
-- ARGV  1 its id  2 until when (ms)
-- Output  {"done"}
-- Errors  none of its own: the watch may not be due any more, or be in somebody's hands, who will say when to look again

if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1]) end
return { 'done' }

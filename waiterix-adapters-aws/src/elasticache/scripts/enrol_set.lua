#!lua
-- Puts ids into the set that older software reads, and never lets it end before a moment in milliseconds.
-- ARGV: the moment; the ids. A set without an end (-1) gets one.
for place = 2, #ARGV do
    redis.call('SADD', KEYS[1], ARGV[place])
end
if redis.call('PEXPIRETIME', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return redis.status_reply('OK')

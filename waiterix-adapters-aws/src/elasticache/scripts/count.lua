#!lua
-- Adds one to a counter, whose time begins with its first use.
local held = redis.call('GET', KEYS[1])
if held and not string.match(held, '^%d+$') then
    return redis.error_reply('WRONGTYPE the counter is no number')
end
local count = redis.call('INCR', KEYS[1])
if redis.call('PTTL', KEYS[1]) < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count

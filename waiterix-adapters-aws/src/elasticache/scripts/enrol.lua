#!lua
-- Puts memberships into the list by end, forgets those whose time is over, and lets the list live as long as its
-- last one. ARGV: until when in milliseconds and member, alternating. Answers what was forgotten.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
if #over > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
end
for place = 1, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], 'GT', ARGV[place], ARGV[place + 1])
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return over

#!lua
-- Removes memberships of which no session was found, unless their session may be about to appear.
-- ARGV: how long before the end of a membership its session ends, in milliseconds; the members. Answers what is gone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = {}
for place = 2, #ARGV do
    local score = redis.call('ZSCORE', KEYS[1], ARGV[place])
    if not score or tonumber(score) - ARGV[1] <= now then
        redis.call('ZREM', KEYS[1], ARGV[place])
        gone[#gone + 1] = ARGV[place]
    end
end
return gone

#!lua flags=no-writes
-- A session with its end in milliseconds, of one moment.
local record = redis.call('GET', KEYS[1])
if not record then
    return false
end
return { record, redis.call('PEXPIRETIME', KEYS[1]) }

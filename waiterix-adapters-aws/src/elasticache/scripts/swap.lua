#!lua
-- Replaces or removes a session whose body is still as it was read.
-- ARGV: the body; the new record, or nothing to remove it; its end in milliseconds.

-- What a touch writes is in front of the body (see record.rs); another's record is body as a whole.
local function body(record)
    if string.sub(record, 1, 17) == '{"lastActivity":"' and string.sub(record, 42, 58) == '","listedUntil":"'
        and string.sub(record, 83, 84) == '",' then
        return string.sub(record, 85)
    end
    return record
end

local record = redis.call('GET', KEYS[1])
if not record then
    return 'gone'
end
if body(record) ~= ARGV[1] then
    return 'changed'
end
if #ARGV == 1 then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
end
return 'done'

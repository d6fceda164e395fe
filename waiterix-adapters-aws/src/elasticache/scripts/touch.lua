#!lua
-- Notes a use in place and moves the end, if the record is in our form and the user's list vouches for it long enough.
-- ARGV: last activity and end as texts of 24 characters; the end in milliseconds.
local head = redis.call('GETRANGE', KEYS[1], 0, 83)
if head == '' then
    return 'gone'
end
if string.sub(head, 1, 17) ~= '{"lastActivity":"' or string.sub(head, 42, 58) ~= '","listedUntil":"'
    or string.sub(head, 83, 84) ~= '",' then
    return 'foreign'
end
if ARGV[2] > string.sub(head, 59, 82) then
    return 'unlisted'
end
redis.call('SETRANGE', KEYS[1], 17, ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 'done'

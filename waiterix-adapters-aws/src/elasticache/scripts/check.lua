#!lua
-- A script that may write is refused where writing is: by a replica, a full or a failing server.
return redis.status_reply('OK')

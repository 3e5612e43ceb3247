-- Version 8.


-- What is on: manpower and attempts



-- As of any moment: what the pings saw, and when



-- Told once: notices and their delivery



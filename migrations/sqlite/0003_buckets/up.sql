-- When the buckets of a vhost were last listed. Not a column of vhosts: that a bucket list was read changes no vhost.

CREATE TABLE bucket_listings (
    vhost_id  INTEGER NOT NULL PRIMARY KEY REFERENCES vhosts (id) ON DELETE CASCADE,
    listed_at TEXT    NOT NULL CHECK (listed_at IS strftime('%Y-%m-%d %H:%M:%S', listed_at))
) STRICT;

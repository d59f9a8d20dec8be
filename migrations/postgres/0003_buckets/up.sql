-- When the buckets of a vhost were last listed. Not a column of vhosts: that a bucket list was read changes no vhost.

CREATE TABLE bucket_listings (
    vhost_id  BIGINT NOT NULL PRIMARY KEY REFERENCES vhosts (id) ON DELETE CASCADE,
    listed_at TIMESTAMP NOT NULL
);

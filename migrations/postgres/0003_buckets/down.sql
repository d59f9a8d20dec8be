DROP TABLE bucket_listings;

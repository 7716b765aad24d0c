-- +goose Up
-- When a feed last lost what it said of somebody's place: so many within a day are not believed.
alter table feed_record add column emptied_at bigint;
create index feed_record_emptied on feed_record (feed, emptied_at) where emptied_at is not null;

-- +goose Down
drop index feed_record_emptied;
alter table feed_record drop column emptied_at;
